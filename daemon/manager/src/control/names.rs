//! Made-up names for services that got none, such as `tender_bramley`.

use rand::Rng;
use rand::seq::IndexedRandom as _;
use state::View;

/// How a thing can be.
const MANNERS: [&str; 40] = [
    "agile", "amber", "bold", "brisk", "calm", "clever", "cosy", "crisp", "dewy", "eager", "early", "fair",
    "fresh", "gentle", "glad", "golden", "hardy", "humble", "jolly", "keen", "late", "lively", "lucky",
    "mellow", "merry", "nimble", "patient", "plucky", "proud", "quiet", "ripe", "rosy", "shy", "sleek",
    "steady", "sunny", "sweet", "tender", "thorny", "wild",
];

/// Apples, berries and other things that grow near a bramble.
const FRUITS: [&str; 40] = [
    "alder",
    "bilberry",
    "bramley",
    "briar",
    "catkin",
    "cherry",
    "clover",
    "cobnut",
    "cowslip",
    "damson",
    "discovery",
    "elder",
    "fern",
    "foxglove",
    "gooseberry",
    "greengage",
    "hawthorn",
    "hazel",
    "heather",
    "hornbeam",
    "ivy",
    "juniper",
    "laxton",
    "linden",
    "loganberry",
    "medlar",
    "mulberry",
    "pearmain",
    "pippin",
    "quince",
    "raspberry",
    "rosehip",
    "rowan",
    "russet",
    "sloe",
    "sorrel",
    "teasel",
    "thistle",
    "whortleberry",
    "yarrow",
];

/// A name that no service has.
pub fn make_up(view: &View, rng: &mut impl Rng) -> String {
    let taken = |name: &str| view.services().any(|service| service.spec.name == name);
    let mut name = pair(rng);
    // With many services the 1,600 pairs run short: a number tells them apart.
    let mut number = 1u64;
    while taken(&name) {
        number += 1;
        name = format!("{}{number}", pair(rng));
    }
    name
}

fn pair(rng: &mut impl Rng) -> String {
    let word = |words: &[&'static str], rng: &mut _| words.choose(rng).copied().unwrap_or("wild");
    format!("{}_{}", word(&MANNERS, rng), word(&FRUITS, rng))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng as _;

    #[test]
    fn a_name_is_free_even_when_all_pairs_are_taken() {
        let mut view = View::default();
        let mut all = state::Transaction::new();
        for manner in MANNERS {
            for fruit in FRUITS {
                let mut service = model::Service {
                    id: format!("{manner}{fruit}").into(),
                    ..Default::default()
                };
                service.spec.name = format!("{manner}_{fruit}");
                all.create(service);
            }
        }
        view = view.apply(1, &all).unwrap();
        let name = make_up(&view, &mut rand::rngs::StdRng::seed_from_u64(1));
        assert!(view.services().all(|service| service.spec.name != name), "{name}");
    }
}

use super::*;

fn names(volumes: &Volumes) -> Vec<String> {
    volumes.list().into_iter().map(|volume| volume.name).collect()
}

fn named(name: &str) -> NewVolume {
    NewVolume {
        name: name.to_owned(),
        ..NewVolume::default()
    }
}

fn used(name: &str, anonymous: bool) -> Use {
    Use {
        name: name.to_owned(),
        target: "/data".to_owned(),
        anonymous,
        no_copy: true,
        ..Use::default()
    }
}

#[test]
fn made_once_found_again_removed() {
    let dir = tempfile::tempdir().unwrap();
    let volumes = Volumes::open(dir.path());
    let mut new = named("db");
    new.labels = Some(Labels::from([("use".to_owned(), "test".to_owned())]));
    let first = volumes.create(new.clone()).unwrap();
    assert_eq!(volumes.create(named("db")).unwrap(), first);
    assert_eq!(first.labels, new.labels);
    assert!(Path::new(&first.mountpoint).is_dir());
    let made_up = volumes.create(NewVolume::default()).unwrap();
    assert!(made_up.is_anonymous() && made_up.name.len() == 64);
    assert_eq!(volumes.names(), ["db"]);
    assert_eq!(Volumes::open(dir.path()).list(), volumes.list());
    assert_eq!(
        volumes
            .create(named("../db"))
            .unwrap_err()
            .to_string()
            .split(": ")
            .next(),
        Some("create ../db")
    );
    assert_eq!(
        volumes.get("none").unwrap_err().to_string(),
        "get none: no such volume"
    );
    volumes.remove("db", false).unwrap();
    assert!(volumes.remove("db", false).is_err());
    volumes.remove("db", true).unwrap();
    assert_eq!(names(&volumes), [made_up.name]);
}

#[test]
fn a_volume_of_an_older_bramble_is_one_too() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(dir.path().join("volumes/old/_data")).unwrap();
    std::fs::create_dir_all(dir.path().join("volumes/.half-new/_data")).unwrap();
    let volumes = Volumes::open(dir.path());
    assert_eq!(names(&volumes), ["old"]);
    assert!(!dir.path().join("volumes/.half-new").exists());
}

#[tokio::test]
async fn what_is_used_stays() {
    let dir = tempfile::tempdir().unwrap();
    let volumes = Volumes::open(dir.path());
    let image = Image::default();
    let uses = vec![used("db", false), used("0a", true)];
    volumes.take("c1", uses.clone(), image.clone()).await.unwrap();
    volumes.take("c2", vec![used("db", false)], image).await.unwrap();
    std::fs::write(volumes.data("db").join("file"), "12345").unwrap();
    assert_eq!(
        volumes.remove("db", false).unwrap_err().to_string(),
        "remove db: volume is in use - [c1, c2]"
    );
    assert_eq!(volumes.prune(|_| true).unwrap(), (Vec::new(), 0));
    let usage = volumes.usage()[1].usage_data.unwrap();
    assert_eq!((usage.size, usage.ref_count), (5, 2));
    // What has no name of its own goes with its container.
    volumes.release("c1").unwrap();
    assert_eq!(names(&volumes), ["db"]);
    volumes.release("c1").unwrap();
    volumes.release("c2").unwrap();
    assert_eq!(volumes.prune(|_| true).unwrap(), (vec!["db".to_owned()], 5));
}

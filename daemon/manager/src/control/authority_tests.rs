use super::*;
use model::{Node, NodeRole};
use pki::{Identity, Role};
use state::Transaction;

const NOW: Timestamp = Timestamp::UNIX_EPOCH;

fn founded() -> Cluster {
    let ca = Ca::found("c", NOW).unwrap();
    let mut cluster = Cluster {
        id: "c".into(),
        tls_info: crate::tls_info(ca.cert_pem()),
        ..Cluster::default()
    };
    cluster.keys = Some(ClusterKeys {
        ca_certificate: ca.cert_pem().to_owned(),
        ca_key: Hidden::new(ca.key_pem().reveal().to_owned()),
        ..ClusterKeys::default()
    });
    cluster
}

fn issue(cluster: &Cluster, node: &str) -> Identity {
    let (key, csr) = pki::new_key().unwrap();
    let subject = Subject {
        node_id: node.into(),
        role: Role::Worker,
        cluster_id: "c".into(),
    };
    let (chain, root) = sign(cluster, &csr, &subject, NOW).unwrap();
    Identity::new(&chain, &key, &root).unwrap()
}

fn node(identity: &Identity) -> Node {
    let mut node = Node {
        id: identity.node_id().into(),
        ..Node::default()
    };
    node.spec.role = NodeRole::Worker;
    let (subject, key) = identity.issuer().unwrap();
    node.description.tls_info = Some(TlsInfo {
        trust_root: identity.ca_pem().to_owned(),
        cert_issuer_subject: subject,
        cert_issuer_public_key: key,
    });
    node
}

fn view(cluster: &Cluster, identities: &[&Identity]) -> View {
    let mut all = Transaction::new();
    all.create(cluster.clone());
    for identity in identities {
        all.create(node(identity));
    }
    View::default().apply(1, &all).unwrap()
}

fn force(cluster: &mut Cluster) {
    let old = cluster.spec.ca_config.clone();
    let mut new = old.clone();
    new.force_rotate = Some(old.force_rotate.unwrap_or_default() + 1);
    change(cluster, &mut new, &old, NOW).unwrap();
    cluster.spec.ca_config = new;
}

#[test]
fn a_new_root_takes_over_when_all_nodes_have_its_certificates() {
    let mut cluster = founded();
    let (a, b) = (issue(&cluster, "a"), issue(&cluster, "b"));
    let old_root = a.ca_pem().to_owned();
    force(&mut cluster);
    assert!(cluster.root_rotation_in_progress);
    assert_eq!(cluster.tls_info.trust_root, old_root);
    assert_ne!(
        cluster.tls_info.cert_issuer_public_key,
        a.issuer().unwrap().1,
        "the new root's"
    );
    assert_eq!(step(&view(&cluster, &[&a, &b]), NOW).unwrap(), None);

    // Renewed: signed by the new root, and good for whoever trusts the old.
    let (a, lagging) = (issue(&cluster, "a"), b);
    assert_eq!(a.ca_pem(), old_root);
    assert_eq!(a.issuer().unwrap().1, cluster.tls_info.cert_issuer_public_key);
    assert_eq!(step(&view(&cluster, &[&a, &lagging]), NOW).unwrap(), None);

    let b = issue(&cluster, "b");
    let done = step(&view(&cluster, &[&a, &b]), NOW).unwrap().unwrap();
    let keys = done.keys.clone().unwrap();
    assert!(!done.root_rotation_in_progress && keys.rotation.is_none());
    assert_ne!(done.tls_info.trust_root, old_root);
    assert!(
        keys.tokens
            .worker
            .parse::<Token>()
            .unwrap()
            .is_for(&keys.ca_certificate)
    );

    // One that comes later, and one that still trusts the old root only.
    let c = issue(&done, "c");
    assert_eq!(c.ca_pem(), keys.ca_certificate);
    c.under(&old_root).unwrap();
    let a = a.under(&keys.ca_certificate).unwrap();
    assert_eq!(step(&view(&done, &[&a, &b]), NOW).unwrap(), None);
    let b = b.under(&keys.ca_certificate).unwrap();
    let settled = step(&view(&done, &[&a, &b]), NOW).unwrap().unwrap();
    assert!(settled.keys.as_ref().unwrap().cross_signed.is_empty());
    assert_eq!(step(&view(&settled, &[&a, &b]), NOW).unwrap(), None);
    assert!(issue(&settled, "d").under(&old_root).is_err());
}

#[test]
fn a_second_rotation_replaces_the_first_and_a_given_root_can_go_back() {
    let mut cluster = founded();
    let first = cluster.keys.clone().unwrap();
    force(&mut cluster);
    let between = issue(&cluster, "a");
    force(&mut cluster);
    assert_ne!(
        between.issuer().unwrap().1,
        cluster.tls_info.cert_issuer_public_key
    );
    let old = cluster.spec.ca_config.clone();
    let mut back = CaSettings {
        signing_ca_cert: Some(first.ca_certificate.clone()),
        signing_ca_key: Some(first.ca_key.clone()),
        ..old.clone()
    };
    change(&mut cluster, &mut back, &old, NOW).unwrap();
    assert!(!cluster.root_rotation_in_progress);
    assert_eq!((&back.signing_ca_cert, &back.signing_ca_key), (&None, &None));
    assert_eq!(cluster.keys.as_ref(), Some(&first));
    assert_eq!(cluster.tls_info, founded_like(&first));
}

fn founded_like(keys: &ClusterKeys) -> TlsInfo {
    crate::tls_info(&keys.ca_certificate)
}

#[test]
fn what_is_no_root_is_refused_in_words() {
    let cluster = founded();
    let other = Ca::found("elsewhere", NOW).unwrap();
    let leaf = issue(&cluster, "a");
    let old = CaSettings::default();
    let key = |text: &str| Some(Hidden::new(text.to_owned()));
    for (cert, key, says) in [
        (Some(other.cert_pem()), None, "--ca-key"),
        (None, key(other.key_pem().reveal()), "CA cert must also"),
        (
            Some(other.cert_pem()),
            key(leaf.key_pem().reveal()),
            "not the certificate's",
        ),
        (
            Some(leaf.cert_pem()),
            key(leaf.key_pem().reveal()),
            "not one of an authority",
        ),
        (Some(other.cert_pem()), key("nonsense"), "PKCS #8"),
        (Some("nonsense"), key(leaf.key_pem().reveal()), "one certificate"),
    ] {
        let mut asked = CaSettings {
            signing_ca_cert: cert.map(str::to_owned),
            signing_ca_key: key,
            ..old.clone()
        };
        let refusal = change(&mut cluster.clone(), &mut asked, &old, NOW).unwrap_err();
        assert!(refusal.to_string().contains(says), "{refusal}");
    }
    let mut mine = CaSettings {
        signing_ca_cert: Some(other.cert_pem().to_owned()),
        signing_ca_key: key(other.key_pem().reveal()),
        ..old.clone()
    };
    let mut cluster = cluster;
    change(&mut cluster, &mut mine, &old, NOW).unwrap();
    issue(&cluster, "a");
}

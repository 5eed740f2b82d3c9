//! Who may depend on whom: the arrows of the house, as a table.

/// Stands for all rooms; only the binary that wires them together has it.
pub const EVERYTHING: &[&str] = &["*"];

/// A room, and what of the house it may depend on. What its tests need does not count.
pub const ROOMS: [(&str, &[&str]); 22] = [
    ("model", &[]),
    ("state", &["model"]),
    ("plan", &["model", "state"]),
    ("exec", &["model"]),
    ("wire", &["model", "pki"]),
    ("pki", &["model"]),
    ("discovery", &["model"]),
    ("store", &["model", "state", "wire", "pki"]),
    (
        "manager",
        &[
            "model",
            "state",
            "plan",
            "exec",
            "wire",
            "pki",
            "discovery",
            "store",
        ],
    ),
    ("agent", &["model", "exec", "wire", "pki"]),
    ("runtime", &["model", "exec"]),
    ("network", &["model", "exec"]),
    ("api", &["model"]),
    ("cli", &["model"]),
    ("board", &[]),
    ("card", &[]),
    ("slots", &[]),
    ("bramble", EVERYTHING),
    // It installs what the others need to build.
    ("lab", &[]),
    ("e2e", &["lab"]),
    ("compat", &["lab"]),
    ("bench", &["lab"]),
];

/// Rooms that only compute.
pub const PURE: [&str; 4] = ["model", "state", "plan", "card"];

/// What a room that only computes has no use for.
pub const UNSEEN_BY_PURE: [&str; 2] = ["tokio", "tracing"];

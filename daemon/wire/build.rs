//! Compiles the protos (needs `protoc`, which `cargo lab setup` installs).

fn main() -> std::io::Result<()> {
    println!("cargo:rerun-if-changed=proto/bramble.proto");
    tonic_prost_build::configure()
        .bytes(".")
        .compile_protos(&["proto/bramble.proto"], &["proto"])
}

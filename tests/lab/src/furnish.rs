//! The parts of a lab before its boards are switched on: folders, networks, the registry with its images, configurations.

use std::{fs, io::Read};

use anyhow::Result;

use crate::{Lab, config::Config, images, net, registry};

/// Makes all parts.
pub(crate) fn furnish(lab: &Lab) -> Result<()> {
    let (name, boards) = (lab.name(), lab.boards().len());
    fs::create_dir_all(name.logs())?;
    fs::create_dir_all(name.dir().join("docker-config"))?;
    net::make_switch(name)?;
    registry::start(name)?;
    registry::fill(name, &images::make()?)?;
    let key = random()?;
    let cluster = name.to_string();
    for number in 1..=boards {
        net::make_board(name, number)?;
        let (socket, board) = (name.real_socket(number), lab.board(number));
        let state_dir = board.state_dir();
        fs::create_dir_all(&state_dir)?;
        if socket != name.socket(number) {
            fs::create_dir_all(name.far_sockets())?;
            std::os::unix::fs::symlink(&socket, name.socket(number))?;
        }
        let config = Config {
            cluster: (!lab.options().by_hand).then_some((cluster.as_str(), key.as_str())),
            boards,
            number,
            state_dir: &state_dir,
            api: &socket,
            hardware: &board.hardware(),
        };
        fs::write(board.config(), config.text())?;
    }
    // Last, so that a lab that can be opened is whole.
    fs::write(
        name.dir().join("lab.json"),
        serde_json::to_string_pretty(lab.options())?,
    )?;
    Ok(())
}

/// A join key that no other lab has.
fn random() -> Result<String> {
    let mut bytes = [0; 16];
    fs::File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

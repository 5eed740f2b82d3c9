//! What is in the stand-in images, as far as it is not busybox.

/// An image on top of busybox. Its debug text tells whether images on disk are still the same.
#[derive(Debug)]
pub(super) struct Recipe {
    pub repository: &'static str,
    pub tag: &'static str,
    /// Path, mode and content.
    pub files: &'static [(&'static str, u32, &'static str)],
    /// A program of ours: its path, and its source in Rust.
    pub program: Option<(&'static str, &'static str)>,
    pub env: &'static [&'static str],
    /// Goes before `cmd`, or what the user gives in its place.
    pub entrypoint: &'static [&'static str],
    pub cmd: &'static [&'static str],
    pub port: Option<&'static str>,
}

const PATH: &str = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// A shell as process 1 gets no signal that it has not asked for, hence the trap. The kernel ends the web server with it.
macro_rules! nginx {
    ($version:literal) => {
        Recipe {
            repository: "library/nginx",
            tag: $version,
            files: &[
                (
                    "usr/sbin/nginx",
                    0o755,
                    concat!(
                        "#!/bin/sh\n",
                        "# Stands in for nginx: busybox's web server and a page that names the version and the host.\n",
                        "trap 'exit 0' TERM INT QUIT\n",
                        "echo \"<h1>nginx ",
                        $version,
                        "</h1><p>$(hostname)</p>\" >/usr/share/nginx/html/index.html\n",
                        "echo 'nginx ",
                        $version,
                        ": serving on port 80'\n",
                        "httpd -f -p 80 -h /usr/share/nginx/html &\n",
                        "wait $!\n",
                    ),
                ),
                ("usr/share/nginx/html/50x.html", 0o644, "<h1>error</h1>\n"),
            ],
            program: None,
            env: &[PATH, concat!("NGINX_VERSION=", $version)],
            entrypoint: &[],
            cmd: &["nginx", "-g", "daemon off;"],
            port: Some("80/tcp"),
        }
    };
}

/// Stands in for a server that stack files name: answers on its ports with a page that says what it is, what it was told
/// and what it was given to read. Ports above 1023 are those that the real ones have.
const SERVER: &str = "#!/bin/sh\n\
    trap 'exit 0' TERM INT QUIT\n\
    www=/tmp/.www\n\
    mkdir -p $www\n\
    echo \"$STANDS_FOR on $(hostname): $*\" >$www/index.html\n\
    for file in $READS /run/secrets/*; do\n\
    \tif [ -f \"$file\" ]; then echo \"$file: $(wc -c <\"$file\") bytes\" >>$www/index.html; fi\n\
    done\n\
    cat $www/index.html\n\
    for port in $PORTS; do httpd -f -p $port -h $www & done\n\
    sleep 2147483647 &\n\
    wait $!\n";

/// A server on top of busybox, on these ports. `$reads` are files whose sizes it tells.
macro_rules! server {
    ($repository:literal, $tag:literal, $ports:literal, $reads:literal) => {
        Recipe {
            repository: $repository,
            tag: $tag,
            files: &[
                ("usr/bin/server", 0o755, SERVER),
                ("usr/bin/redis-cli", 0o755, "#!/bin/sh\necho PONG\n"),
                ("usr/bin/pg_isready", 0o755, "#!/bin/sh\nexit 0\n"),
            ],
            program: None,
            env: &[
                PATH,
                concat!("STANDS_FOR=", $repository),
                concat!("PORTS=", $ports),
                concat!("READS=", $reads),
            ],
            entrypoint: &["/usr/bin/server"],
            cmd: &[],
            port: None,
        }
    };
}

/// All of them.
pub(super) fn all() -> Vec<Recipe> {
    let mut all = Vec::from(small());
    all.extend(servers());
    all
}

/// Servers under the names that stack files of the field use (tests/stacks).
fn servers() -> [Recipe; 14] {
    [
        server!("library/redis", "alpine", "6379", ""),
        server!("library/postgres", "15-alpine", "5432", ""),
        server!("dockersamples/examplevotingapp_vote", "latest", "80", ""),
        server!("dockersamples/examplevotingapp_result", "latest", "80", ""),
        server!("dockersamples/examplevotingapp_worker", "latest", "", ""),
        server!("dockersamples/visualizer", "stable", "8080", ""),
        server!("library/traefik", "v3.1", "80 443 8080", "/letsencrypt/acme.json"),
        server!("traefik/whoami", "v1.10", "80", ""),
        server!("prom/node-exporter", "v1.8.1", "9100", "/host/proc/uptime"),
        server!(
            "prom/prometheus",
            "v2.53.0",
            "9090",
            "/etc/prometheus/prometheus.yml"
        ),
        server!(
            "grafana/grafana",
            "11.1.0",
            "3000",
            "/etc/grafana/provisioning/datasources/prometheus.yml"
        ),
        server!(
            "library/eclipse-mosquitto",
            "2",
            "1883",
            "/mosquitto/config/mosquitto.conf"
        ),
        server!(
            "koenkk/zigbee2mqtt",
            "1.39.0",
            "8080",
            "/app/data/configuration.yaml"
        ),
        server!("homeassistant/home-assistant", "stable", "8123", ""),
    ]
}

fn small() -> [Recipe; 6] {
    [
        Recipe {
            repository: "library/busybox",
            tag: "latest",
            files: &[],
            program: None,
            env: &[PATH],
            entrypoint: &[],
            cmd: &["sh"],
            port: None,
        },
        Recipe {
            repository: "library/alpine",
            tag: "latest",
            files: &[("etc/alpine-release", 0o644, "0.0.0-stand-in\n")],
            program: None,
            env: &[PATH],
            entrypoint: &[],
            cmd: &["/bin/sh"],
            port: None,
        },
        Recipe {
            repository: "library/ubuntu",
            tag: "14.04",
            files: &[
                ("bin/bash", 0o755, "#!/bin/sh\nexec /bin/sh \"$@\"\n"),
                (
                    "etc/os-release",
                    0o644,
                    "NAME=\"Ubuntu (stand-in)\"\nID=ubuntu\nVERSION_ID=\"14.04\"\n",
                ),
            ],
            program: None,
            env: &[PATH],
            entrypoint: &[],
            cmd: &["/bin/bash"],
            port: None,
        },
        nginx!("1.10"),
        nginx!("1.11"),
        Recipe {
            repository: "library/whoami",
            tag: "latest",
            files: &[],
            program: Some(("bin/whoami", include_str!("../../programs/whoami.rs"))),
            env: &[PATH],
            entrypoint: &[],
            cmd: &["whoami"],
            port: Some("80/tcp"),
        },
    ]
}

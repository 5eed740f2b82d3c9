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
            cmd: &["nginx", "-g", "daemon off;"],
            port: Some("80/tcp"),
        }
    };
}

/// All of them.
pub(super) fn all() -> [Recipe; 6] {
    [
        Recipe {
            repository: "library/busybox",
            tag: "latest",
            files: &[],
            program: None,
            env: &[PATH],
            cmd: &["sh"],
            port: None,
        },
        Recipe {
            repository: "library/alpine",
            tag: "latest",
            files: &[("etc/alpine-release", 0o644, "0.0.0-stand-in\n")],
            program: None,
            env: &[PATH],
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
            cmd: &["whoami"],
            port: Some("80/tcp"),
        },
    ]
}

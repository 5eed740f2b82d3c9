//! Who may ask what: one table from route to the least role. What is not in it is for administrators.
//!
//! Whoever comes by the unix socket is an administrator, as with Docker. A client over TCP is what its certificate says. A
//! follower checks before it passes a request on, and says in a header for whom it asks; the header counts from managers only.
//!
//! `deploy` may run any service that stays within its containers; one that reaches the board itself, by its folders, devices or
//! privileges, takes an administrator (see `boundary`).

use crate::{Error, boundary};
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, Method};
use model::{AccessRole, ServiceSpec};

/// For whom a follower asks; taken off whatever comes from outside.
pub(crate) const HEADER: &str = "bramble-role";

/// Who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Visitor {
    /// What it may do.
    pub role: AccessRole,
    /// Its certificate, over TCP.
    pub certificate: Option<String>,
}

impl Visitor {
    /// Whoever may open the unix socket.
    pub(crate) fn local() -> Self {
        Self {
            role: AccessRole::Admin,
            certificate: None,
        }
    }

    /// For whom another manager asks.
    pub(crate) fn passed_on(headers: &HeaderMap) -> Self {
        let said = headers.get(HEADER).and_then(|role| role.to_str().ok());
        Self {
            role: said.and_then(AccessRole::parse).unwrap_or_default(),
            certificate: None,
        }
    }

    /// Who makes this request; one that came in by no known door may only look.
    pub(crate) fn of(request: &Request) -> Self {
        let visitor = request.extensions().get::<Self>().cloned();
        visitor.unwrap_or(Self {
            role: AccessRole::View,
            certificate: None,
        })
    }

    /// Whether such a service may be asked for.
    ///
    /// # Errors
    /// 403 with what takes an administrator.
    pub(crate) fn may_run(&self, spec: &ServiceSpec) -> Result<(), Error> {
        match boundary::crossed(spec) {
            Some(what) if self.role < AccessRole::Admin => Err(Error::Forbidden(format!(
                "access denied: {what} gives a service the board itself, for which a certificate with the role admin is \
                 needed; this one has the role {}",
                self.role
            ))),
            _ => Ok(()),
        }
    }

    /// Says to the leader for whom is asked.
    pub(crate) fn mark(&self, headers: &mut HeaderMap) {
        headers.insert(HEADER, HeaderValue::from_static(self.role.as_str()));
    }

    /// Whether this may be asked.
    ///
    /// # Errors
    /// 403 with what is needed.
    pub(crate) fn may(&self, method: &Method, path: &str) -> Result<(), Error> {
        let least = least(method, path);
        if self.role >= least {
            return Ok(());
        }
        Err(Error::Forbidden(format!(
            "access denied: {method} {path} needs the role {least}, and this certificate has the role {}: an administrator can \
             make another (bramble context create --role {least})",
            self.role
        )))
    }
}

/// What may be looked at: `*` is one part of a path, `**` one or more.
const VIEW: &[&str] = &[
    "/_ping",
    "/version",
    "/info",
    "/events",
    "/bramble/board",
    "/metrics",
    "/system/df",
    "/swarm",
    "/nodes",
    "/nodes/*",
    "/services",
    "/services/*",
    "/services/*/logs",
    "/tasks",
    "/tasks/*",
    "/tasks/*/logs",
    "/networks",
    "/networks/*",
    "/secrets",
    "/secrets/*",
    "/configs",
    "/configs/*",
    "/volumes",
    "/volumes/*",
    "/plugins",
    "/distribution/**/json",
    "/images/json",
    "/images/**/json",
    "/images/**/history",
    "/containers/json",
    "/containers/*/json",
    "/containers/*/logs",
    "/containers/*/stats",
    "/containers/*/top",
    "/containers/*/changes",
];

/// What services and stacks are made of.
const DEPLOY: &[(Method, &str)] = &[
    (Method::POST, "/services/create"),
    (Method::POST, "/services/*/update"),
    (Method::DELETE, "/services/*"),
    (Method::POST, "/networks/create"),
    (Method::DELETE, "/networks/*"),
    (Method::POST, "/secrets/create"),
    (Method::POST, "/secrets/*/update"),
    (Method::DELETE, "/secrets/*"),
    (Method::POST, "/configs/create"),
    (Method::POST, "/configs/*/update"),
    (Method::DELETE, "/configs/*"),
    (Method::POST, "/images/create"),
    (Method::POST, "/auth"),
];

/// The least role that a request needs. Paths come without the version.
pub(crate) fn least(method: &Method, path: &str) -> AccessRole {
    let looks = [Method::GET, Method::HEAD].contains(method);
    if looks && VIEW.iter().any(|pattern| matches(pattern, path)) {
        return AccessRole::View;
    }
    let deploys = DEPLOY
        .iter()
        .any(|(of, pattern)| of == method && matches(pattern, path));
    if deploys {
        AccessRole::Deploy
    } else {
        AccessRole::Admin
    }
}

fn matches(pattern: &str, path: &str) -> bool {
    let pattern: Vec<&str> = pattern.split('/').skip(1).collect();
    let parts: Vec<&str> = path.split('/').skip(1).collect();
    let is = |pattern: &[&str], parts: &[&str]| {
        pattern.len() == parts.len()
            && pattern
                .iter()
                .zip(parts)
                .all(|(pattern, part)| pattern == part || (*pattern == "*" && !part.is_empty()))
    };
    match pattern.iter().position(|part| *part == "**") {
        None => is(&pattern, &parts),
        Some(at) => {
            let after = pattern.len() - at - 1;
            parts.len() > at + after
                && parts[at..parts.len() - after].iter().all(|part| !part.is_empty())
                && is(&pattern[..at], &parts[..at])
                && is(&pattern[at + 1..], &parts[parts.len() - after..])
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use AccessRole::{Admin, Deploy, View};

    #[test]
    fn each_route_has_its_least_role() {
        for (method, path, role) in [
            ("GET", "/nodes", View),
            ("HEAD", "/_ping", View),
            ("GET", "/services/web", View),
            ("GET", "/services/web/logs", View),
            ("GET", "/distribution/registry:5000/a/b/json", View),
            ("GET", "/images/json", View),
            ("GET", "/bramble/board", View),
            ("GET", "/metrics", View),
            ("POST", "/services/create", Deploy),
            ("POST", "/services/web/update", Deploy),
            ("DELETE", "/networks/front", Deploy),
            ("POST", "/images/create", Deploy),
            ("GET", "/swarm/unlockkey", Admin),
            ("POST", "/swarm/update", Admin),
            ("POST", "/nodes/a/update", Admin),
            ("DELETE", "/nodes/a", Admin),
            ("GET", "/containers/a/archive", Admin),
            ("GET", "/containers/a/attach/ws", Admin),
            ("GET", "/containers/a/export", Admin),
            ("GET", "/images/get", Admin),
            ("GET", "/images//json", Admin),
            ("POST", "/containers/a/exec", Admin),
            ("POST", "/containers/create", Admin),
            ("GET", "/bramble/contexts", Admin),
            ("POST", "/bramble/contexts", Admin),
            ("POST", "/bramble/nodes/a/update", Admin),
            ("POST", "/bramble/board/update", Admin),
            ("POST", "/session", Admin),
            ("GET", "/what/ever", Admin),
            ("GET", "//nodes", Admin),
            ("GET", "/services/", Admin),
        ] {
            let method: Method = method.parse().unwrap();
            assert_eq!(least(&method, path), role, "{method} {path}");
        }
    }

    #[test]
    fn a_role_may_what_lesser_ones_may() {
        let visitor = |role| Visitor {
            role,
            certificate: None,
        };
        let create = |role| visitor(role).may(&Method::POST, "/services/create");
        assert!(create(Admin).is_ok() && create(Deploy).is_ok());
        let refusal = create(View).unwrap_err().to_string();
        assert!(refusal.contains("needs the role deploy"), "{refusal}");
    }

    #[test]
    fn whoever_says_nothing_may_only_look() {
        let mut headers = HeaderMap::new();
        assert_eq!(Visitor::passed_on(&headers).role, View);
        headers.insert(HEADER, HeaderValue::from_static("root"));
        assert_eq!(Visitor::passed_on(&headers).role, View);
        visitor_of(Admin).mark(&mut headers);
        assert_eq!(Visitor::passed_on(&headers).role, Admin);
    }

    fn visitor_of(role: AccessRole) -> Visitor {
        Visitor {
            role,
            certificate: None,
        }
    }
}

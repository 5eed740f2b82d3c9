//! A seccomp profile of the user's own, in Docker's form, as the OCI has it: rules that depend on architecture, capabilities or
//! kernel are decided here.

use base64::prelude::{BASE64_STANDARD, Engine as _};
use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Profile {
    default_action: String,
    default_errno_ret: Option<u32>,
    architectures: Vec<String>,
    arch_map: Vec<Family>,
    flags: Vec<String>,
    listener_path: Option<String>,
    syscalls: Vec<Rule>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Family {
    architecture: String,
    sub_architectures: Vec<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Rule {
    name: String,
    names: Vec<String>,
    action: String,
    errno_ret: Option<u32>,
    args: Option<Vec<Value>>,
    includes: Condition,
    excludes: Condition,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Condition {
    arches: Vec<String>,
    caps: Vec<String>,
    min_kernel: Option<String>,
}

/// The OCI's form of a profile in base 64.
pub(super) fn convert(profile: &str, capabilities: &[String]) -> Result<Value, String> {
    let bytes = BASE64_STANDARD
        .decode(profile)
        .map_err(|error| error.to_string())?;
    let profile: Profile = serde_json::from_slice(&bytes).map_err(|error| error.to_string())?;
    if profile.default_action.is_empty() {
        return Err("it has no defaultAction".to_owned());
    }
    if profile.listener_path.is_some_and(|path| !path.is_empty()) {
        return Err("a listener can't be had here".to_owned());
    }
    let (own, short) = match std::env::consts::ARCH {
        "aarch64" => ("SCMP_ARCH_AARCH64", "arm64"),
        "arm" => ("SCMP_ARCH_ARM", "arm"),
        "x86_64" => ("SCMP_ARCH_X86_64", "amd64"),
        other => return Err(format!("not known on {other}")),
    };
    let family = profile.arch_map.iter().find(|family| family.architecture == own);
    let mut architectures = profile.architectures;
    if let Some(family) = family {
        architectures.push(own.to_owned());
        architectures.extend(family.sub_architectures.iter().cloned());
    }
    let mut rules = Vec::new();
    for rule in profile.syscalls {
        let met = rule.includes.is_met(short, capabilities) && !rule.excludes.applies(short, capabilities);
        if !met {
            continue;
        }
        let names = if rule.names.is_empty() {
            vec![rule.name]
        } else {
            rule.names
        };
        if names.iter().any(String::is_empty) || rule.action.is_empty() {
            return Err("a rule has no names or no action".to_owned());
        }
        let mut written = json!({ "names": names, "action": rule.action });
        if let Some(number) = rule.errno_ret {
            written["errnoRet"] = number.into();
        }
        if let Some(args) = rule.args.filter(|args| !args.is_empty()) {
            written["args"] = args.into();
        }
        rules.push(written);
    }
    let mut converted = json!({ "defaultAction": profile.default_action, "syscalls": rules });
    if let Some(number) = profile.default_errno_ret {
        converted["defaultErrnoRet"] = number.into();
    }
    if !architectures.is_empty() {
        converted["architectures"] = architectures.into();
    }
    if !profile.flags.is_empty() {
        converted["flags"] = profile.flags.into();
    }
    Ok(converted)
}

impl Condition {
    /// All that is named has to be so.
    fn is_met(&self, architecture: &str, capabilities: &[String]) -> bool {
        (self.arches.is_empty() || self.arches.iter().any(|known| known == architecture))
            && self.caps.iter().all(|cap| capabilities.contains(cap))
            && self.min_kernel.as_deref().is_none_or(is_new_enough)
    }

    /// Anything that is named is so.
    fn applies(&self, architecture: &str, capabilities: &[String]) -> bool {
        self.arches.iter().any(|known| known == architecture)
            || self.caps.iter().any(|cap| capabilities.contains(cap))
            || self.min_kernel.as_deref().is_some_and(is_new_enough)
    }
}

fn is_new_enough(wanted: &str) -> bool {
    let mut numbers = wanted.split('.').map(|digits| digits.parse().unwrap_or(0));
    crate::facts::kernel() >= (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_that_do_not_hold_here_are_left_out() {
        let profile = json!({
            "defaultAction": "SCMP_ACT_ERRNO",
            "archMap": [{ "architecture": "SCMP_ARCH_X86_64", "subArchitectures": ["SCMP_ARCH_X86"] },
                        { "architecture": "SCMP_ARCH_AARCH64", "subArchitectures": ["SCMP_ARCH_ARM"] }],
            "syscalls": [
                { "names": ["read"], "action": "SCMP_ACT_ALLOW" },
                { "name": "mount", "action": "SCMP_ACT_ALLOW", "includes": { "caps": ["CAP_SYS_ADMIN"] } },
                { "names": ["clone"], "action": "SCMP_ACT_ALLOW", "excludes": { "caps": ["CAP_SYS_ADMIN"] } },
                { "names": ["ptrace"], "action": "SCMP_ACT_ALLOW", "includes": { "minKernel": "4.8" } },
                { "names": ["future"], "action": "SCMP_ACT_ALLOW", "includes": { "minKernel": "999.1" } },
            ],
        });
        let encoded = BASE64_STANDARD.encode(profile.to_string());
        let names = |capabilities: &[String]| {
            let converted = convert(&encoded, capabilities).unwrap();
            assert_eq!(converted["architectures"].as_array().unwrap().len(), 2);
            let rules = converted["syscalls"].as_array().unwrap().clone();
            rules
                .iter()
                .map(|rule| rule["names"][0].as_str().unwrap().to_owned())
                .collect::<Vec<_>>()
        };
        assert_eq!(names(&[]), ["read", "clone", "ptrace"]);
        assert_eq!(names(&["CAP_SYS_ADMIN".to_owned()]), ["read", "mount", "ptrace"]);
        assert!(convert("nonsense", &[]).is_err());
        assert!(convert(&BASE64_STANDARD.encode("{}"), &[]).is_err());
    }
}

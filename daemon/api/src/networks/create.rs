//! `POST /networks/create`

use crate::routes::Front;
use crate::{Error, body};
use axum::Json;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use model::{Driver, IpamConfig, IpamOptions, Labels, NetworkSpec, PREDEFINED};
use serde::Deserialize;
use serde_json::{Value, json};

/// The body.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Wanted {
    name: String,
    driver: Option<String>,
    scope: Option<String>,
    #[serde(rename = "EnableIPv4")]
    enable_ipv4: Option<bool>,
    #[serde(rename = "EnableIPv6")]
    enable_ipv6: Option<bool>,
    #[serde(rename = "IPAM")]
    ipam: Option<Ipam>,
    internal: bool,
    attachable: bool,
    ingress: bool,
    config_only: bool,
    config_from: Option<ConfigFrom>,
    options: Option<Labels>,
    labels: Option<Labels>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct ConfigFrom {
    network: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Ipam {
    driver: Option<String>,
    options: Option<Labels>,
    config: Option<Vec<Config>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Config {
    subnet: Option<String>,
    #[serde(rename = "IPRange")]
    range: Option<String>,
    gateway: Option<String>,
    auxiliary_addresses: Option<Labels>,
}

/// Makes an overlay.
pub(super) async fn create(
    State(front): State<Front>,
    request: Request,
) -> Result<(StatusCode, Json<Value>), Error> {
    let (parts, body) = request.into_parts();
    let wanted: Wanted = body::json(&body::read(&parts.headers, body).await?)?;
    if PREDEFINED.contains(&wanted.name.as_str()) {
        return Err(Error::Forbidden(format!(
            "operation is not permitted on predefined {} network ",
            wanted.name
        )));
    }
    let spec = spec(wanted)?;
    if super::named(&*front.backend, &spec.name).await?.is_some() {
        return Err(Error::Conflict(format!(
            "network with name {} already exists",
            spec.name
        )));
    }
    let id = front.backend.create_network(spec).await?;
    Ok((StatusCode::CREATED, Json(json!({ "Id": id, "Warning": "" }))))
}

/// The spec, in Swarm's form; what has no place in it is refused.
fn spec(wanted: Wanted) -> Result<NetworkSpec, Error> {
    let refuse = |text: &str| Err(Error::Unimplemented(text.to_owned()));
    let driver = wanted.driver.filter(|driver| !driver.is_empty());
    match driver.as_deref().unwrap_or("bridge") {
        "overlay" => {}
        other => {
            return Err(Error::Unimplemented(format!(
                "networks of the driver '{other}' are a board's own and can't be made here: make one for the whole cluster \
                 with --driver overlay (docker network create -d overlay {})",
                wanted.name
            )));
        }
    }
    if wanted.config_only
        || wanted
            .config_from
            .is_some_and(|from| from.network.is_some_and(|name| !name.is_empty()))
    {
        return refuse("configuration-only networks can't be made here");
    }
    let scope = wanted.scope.filter(|scope| !scope.is_empty());
    if scope.as_deref().is_some_and(|scope| scope != "swarm") {
        return refuse("overlay networks are of the scope swarm here");
    }
    if wanted.enable_ipv4 == Some(false) {
        return refuse("overlay networks carry IPv4 here: it can't be left out");
    }
    let some = |text: Option<String>| text.filter(|text| !text.is_empty());
    let ipam = wanted.ipam.unwrap_or_default();
    if ipam.options.is_some_and(|options| !options.is_empty()) {
        return refuse("options of the IPAM driver can't be used here");
    }
    let mut configs = Vec::new();
    for config in ipam.config.unwrap_or_default() {
        if config
            .auxiliary_addresses
            .is_some_and(|others| !others.is_empty())
        {
            return refuse(
                "auxiliary addresses can't be used here: keep a part of the subnet free with --ip-range",
            );
        }
        configs.push(IpamConfig {
            subnet: some(config.subnet),
            range: some(config.range),
            gateway: some(config.gateway),
        });
    }
    Ok(NetworkSpec {
        name: wanted.name,
        labels: wanted.labels.unwrap_or_default(),
        driver_configuration: Some(Driver {
            name: Some("overlay".to_owned()),
            options: wanted.options.filter(|options| !options.is_empty()),
        }),
        ipv6_enabled: wanted.enable_ipv6.filter(|enabled| *enabled),
        internal: Some(wanted.internal).filter(|set| *set),
        attachable: Some(wanted.attachable).filter(|set| *set),
        ingress: Some(wanted.ingress).filter(|set| *set),
        ipam_options: Some(IpamOptions {
            driver: Some(Driver {
                name: some(ipam.driver).or_else(|| Some("default".to_owned())),
                options: None,
            }),
            configs: Some(configs).filter(|configs| !configs.is_empty()),
        }),
        scope: Some("swarm".to_owned()),
    })
}

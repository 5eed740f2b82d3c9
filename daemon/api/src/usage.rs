//! `GET /system/df`: what images and containers of this board take.

use crate::Error;
use crate::containers::summary;
use crate::images;
use crate::routes::{Front, query};
use axum::Json;
use axum::extract::State;
use axum::http::Uri;
use model::Timestamp;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// `GET /system/df`
pub(crate) async fn disk_usage(State(front): State<Front>, uri: Uri) -> Result<Json<Value>, Error> {
    let query = query(&uri);
    let wanted = |kind: &str| query.text("type").is_none_or(|only| only == kind);
    let containers = front.backend.containers().await?;
    let mut shown = json!({ "BuildCache": null, "BuilderSize": 0, "Containers": null, "Images": null, "LayersSize": 0, "Volumes": null });
    if wanted("volume") {
        shown["Volumes"] = json!(front.backend.volumes().usage().await?);
    }
    if wanted("image") {
        let all = front.backend.images().await?;
        let mut layers = BTreeMap::new();
        let mut lines = Vec::new();
        for image in &all {
            layers.extend(image.layers.iter().map(|layer| (layer.chain.clone(), layer.size)));
            let users = i64::try_from(images::users(image, &containers).count()).unwrap_or(i64::MAX);
            let mut line = images::summary(image, users);
            let other = |chain: &String| {
                let others = all.iter().filter(|other| other.id != image.id);
                others
                    .flat_map(|other| &other.layers)
                    .any(|layer| layer.chain == *chain)
            };
            let shared = image
                .layers
                .iter()
                .filter(|layer| other(&layer.chain))
                .map(|layer| layer.size);
            line["SharedSize"] = shared.sum::<u64>().into();
            lines.push(line);
        }
        shown["LayersSize"] = layers.values().sum::<u64>().into();
        shown["Images"] = lines.into();
    }
    if wanted("container") {
        let mut lines = Vec::new();
        for container in &containers {
            let (changed, image) = front.backend.sizes(container).await?;
            let mut line = summary(container, Timestamp::now());
            line["SizeRw"] = changed.into();
            line["SizeRootFs"] = (changed + image).into();
            lines.push(line);
        }
        shown["Containers"] = lines.into();
    }
    Ok(Json(shown))
}

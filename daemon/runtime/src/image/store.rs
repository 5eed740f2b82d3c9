//! The images that are here.

use super::content;
use super::manifest::Manifest;
use crate::client::{Client, refusal};
use containerd_client::services::v1::GetImageRequest;
use exec::Error;

/// An image's id: the digest of its config.
///
/// # Errors
/// If there is no such image, or containerd can't be asked.
pub(crate) async fn id_of(client: &Client, name: &str) -> Result<String, Error> {
    let request = GetImageRequest {
        name: name.to_owned(),
    };
    let record = client
        .images()
        .get(request)
        .await
        .map_err(refusal("image"))?
        .into_inner()
        .image;
    let target = record.and_then(|record| record.target).unwrap_or_default();
    let manifest = content::read(client, &target.digest).await?;
    let manifest: Manifest = serde_json::from_slice(&manifest)
        .map_err(|error| Error::Fatal(format!("an image that can't be read: {error}")))?;
    Ok(manifest.config.digest)
}

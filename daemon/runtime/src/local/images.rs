//! The images of this board.

use super::{Local, Refused};
use crate::client::{SNAPSHOTTER, or_gone, refusal};
use crate::image::{chain_ids, content};
use containerd_client::services::v1::snapshots::UsageRequest;

impl Local {
    /// How large an image is when its layers are unpacked, in bytes.
    ///
    /// # Errors
    /// If containerd can't be asked.
    pub async fn image_bytes(&self, id: &str) -> Result<u64, Refused> {
        let Ok(config) = content::read(&self.shared.client, id).await else {
            return Ok(0);
        };
        let config: crate::image::ImageConfig = serde_json::from_slice(&config)
            .map_err(|error| Refused::Failed(format!("an image that can't be read: {error}")))?;
        let mut sum = 0;
        for chain in chain_ids(&config.rootfs.diff_ids) {
            sum += self.layer_bytes(&chain).await?;
        }
        Ok(sum)
    }

    /// How large an unpacked layer is.
    pub(crate) async fn layer_bytes(&self, chain: &str) -> Result<u64, Refused> {
        let request = UsageRequest {
            snapshotter: SNAPSHOTTER.to_owned(),
            key: chain.to_owned(),
        };
        let usage = or_gone(self.shared.client.snapshots().usage(request).await).map_err(refusal("layer"))?;
        Ok(usage.map_or(0, |usage| u64::try_from(usage.into_inner().size).unwrap_or(0)))
    }
}

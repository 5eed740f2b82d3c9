//! `docker save`.

use super::list::meant;
use super::{choose, familiar};
use crate::Error;
use crate::routes::{Front, stream};
use axum::extract::State;
use axum::http::{HeaderValue, Uri, header};
use axum::response::{IntoResponse, Response};

/// Most images of one archive.
const MOST: usize = 64;

/// `GET /images/get?names=…&names=…`
pub(super) async fn several(State(front): State<Front>, uri: Uri) -> Result<Response, Error> {
    let pairs = form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes());
    let names: Vec<String> = pairs
        .filter(|(key, _)| key == "names")
        .map(|(_, value)| value.into_owned())
        .collect();
    save(&front, &names).await
}

/// Images as an archive, with the names that they were asked for by.
pub(super) async fn save(front: &Front, names: &[String]) -> Result<Response, Error> {
    if names.is_empty() || names.len() > MOST {
        return Err(Error::Invalid(format!("name 1 to {MOST} images to save")));
    }
    let all = front.backend.images().await?;
    let mut wanted: Vec<(String, Vec<String>)> = Vec::new();
    for name in names {
        let image = choose(all.clone(), name)?;
        // An id or a digest is no name that it could be loaded under.
        let tag = meant(&image, name)
            .filter(|name| !name.contains('@'))
            .map(|_| familiar(name));
        match wanted.iter_mut().find(|(id, _)| *id == image.id) {
            Some((_, tags)) => tags.extend(tag),
            None => wanted.push((image.id, tag.into_iter().collect())),
        }
    }
    let archive = front.backend.save(wanted).await?;
    let mut response = stream(archive).into_response();
    response.headers_mut().insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/x-tar"),
    );
    Ok(response)
}

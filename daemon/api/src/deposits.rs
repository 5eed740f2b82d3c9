//! `/secrets` and `/configs`: the same verbs for both.

use crate::backend::Backend;
use crate::filters::Filters;
use crate::find::{Named, find};
use crate::routes::{Front, query};
use crate::{Error, body};
use async_trait::async_trait;
use axum::extract::{Path, Request, State};
use axum::http::{StatusCode, Uri};
use axum::routing::{get, post};
use axum::{Json, Router};
use model::{Config, ConfigSpec, Labels, Secret, SecretSpec, Version};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// What secrets and configs have in common here.
#[async_trait]
trait Deposit: Named + Serialize + Send + Sized + 'static {
    type Spec: DeserializeOwned + Send;

    fn labels(&self) -> &Option<Labels>;
    async fn all(backend: &dyn Backend) -> Result<Vec<Self>, Error>;
    async fn create(backend: &dyn Backend, spec: Self::Spec) -> Result<String, Error>;
    async fn update(backend: &dyn Backend, id: &str, version: Version, spec: Self::Spec)
    -> Result<(), Error>;
    async fn remove(backend: &dyn Backend, id: &str) -> Result<(), Error>;
}

macro_rules! deposit {
    ($object:ident, $spec:ident, $all:ident, $create:ident, $update:ident, $remove:ident) => {
        #[async_trait]
        impl Deposit for $object {
            type Spec = $spec;

            fn labels(&self) -> &Option<Labels> {
                &self.spec.labels
            }
            async fn all(backend: &dyn Backend) -> Result<Vec<Self>, Error> {
                backend.$all().await
            }
            async fn create(backend: &dyn Backend, spec: $spec) -> Result<String, Error> {
                backend.$create(spec).await
            }
            async fn update(
                backend: &dyn Backend,
                id: &str,
                version: Version,
                spec: $spec,
            ) -> Result<(), Error> {
                backend.$update(id, version, spec).await
            }
            async fn remove(backend: &dyn Backend, id: &str) -> Result<(), Error> {
                backend.$remove(id).await
            }
        }
    };
}
deposit!(
    Secret,
    SecretSpec,
    secrets,
    create_secret,
    update_secret,
    remove_secret
);
deposit!(
    Config,
    ConfigSpec,
    configs,
    create_config,
    update_config,
    remove_config
);

/// The routes of both.
pub(crate) fn routes() -> Router<Front> {
    of::<Secret>("secrets").merge(of::<Config>("configs"))
}

fn of<D: Deposit>(path: &str) -> Router<Front> {
    Router::new()
        .route(&format!("/{path}"), get(list::<D>))
        .route(&format!("/{path}/create"), post(create::<D>))
        .route(&format!("/{path}/{{id}}"), get(inspect::<D>).delete(remove::<D>))
        .route(&format!("/{path}/{{id}}/update"), post(update::<D>))
}

async fn list<D: Deposit>(State(front): State<Front>, uri: Uri) -> Result<Json<Vec<D>>, Error> {
    let filters = Filters::read(&query(&uri), &["id", "name", "names", "label"])?;
    let mut all = D::all(&*front.backend).await?;
    all.retain(|deposit| {
        let name = deposit.name();
        filters.any("id", |id| deposit.id().starts_with(id))
            && filters.any("name", |wanted| name.starts_with(wanted))
            && filters.any("names", |wanted| name == wanted)
            && filters.labels("label", deposit.labels().as_ref().unwrap_or(&Labels::new()))
    });
    Ok(Json(all))
}

async fn create<D: Deposit>(
    State(front): State<Front>,
    request: Request,
) -> Result<(StatusCode, Json<Value>), Error> {
    let (parts, body) = request.into_parts();
    let spec = body::json(&body::read(&parts.headers, body).await?)?;
    let id = D::create(&*front.backend, spec).await?;
    Ok((StatusCode::CREATED, Json(json!({ "ID": id }))))
}

async fn inspect<D: Deposit>(State(front): State<Front>, Path(id): Path<String>) -> Result<Json<D>, Error> {
    find(D::all(&*front.backend).await?, &id).map(Json)
}

async fn update<D: Deposit>(
    State(front): State<Front>,
    Path(id): Path<String>,
    request: Request,
) -> Result<(), Error> {
    let (parts, body) = request.into_parts();
    let version = query(&parts.uri).version()?;
    let spec = body::json(&body::read(&parts.headers, body).await?)?;
    let deposit = find(D::all(&*front.backend).await?, &id)?;
    D::update(&*front.backend, deposit.id(), version, spec).await
}

async fn remove<D: Deposit>(State(front): State<Front>, Path(id): Path<String>) -> Result<StatusCode, Error> {
    let deposit = find(D::all(&*front.backend).await?, &id)?;
    D::remove(&*front.backend, deposit.id()).await?;
    Ok(StatusCode::NO_CONTENT)
}

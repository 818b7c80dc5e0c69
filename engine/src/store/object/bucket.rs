//! An S3-compatible bucket: how to reach it, and what object locking it says it has.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use cartulaire_formats::layout::ObjectName;
use object_store::aws::{AmazonS3, AmazonS3Builder, AwsAuthorizer, Checksum, S3ConditionalPut};
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpRequest, HttpRequestBody, HttpResponse, HttpService, ReqwestConnector,
};
use object_store::{ClientOptions, HeaderValue, RetryConfig};

use super::super::bounds::{CONNECT_TIMEOUT, REQUEST_TIMEOUT, RETRY_TIMEOUT};

/// Where a bucket is and who we are to it.
#[derive(Clone, PartialEq, Eq)]
pub struct BucketConfig {
    /// The server's URL, without the bucket; `None` for Amazon's own.
    pub endpoint: Option<String>,
    /// The bucket's name.
    pub bucket: String,
    /// The region that requests are signed for; servers outside Amazon mostly take `us-east-1`.
    pub region: String,
    /// The access key's public half.
    pub key_id: String,
    /// The access key's secret half; never shown.
    pub secret: String,
    /// Allows `http://`: for servers on the same machine.
    pub allow_http: bool,
    /// Names the bucket in the path (`endpoint/bucket`), not in the host (`bucket.endpoint`).
    pub path_style: bool,
    /// The folder of the bucket that is the site, such as `archive/site-b`; empty for the whole bucket.
    pub prefix: String,
}

impl fmt::Debug for BucketConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { endpoint, bucket, region, key_id, secret: _, allow_http, path_style, prefix } = self;
        f.debug_struct("BucketConfig")
            .field("endpoint", endpoint)
            .field("bucket", bucket)
            .field("region", region)
            .field("key_id", key_id)
            .field("secret", &"(not shown)")
            .field("allow_http", allow_http)
            .field("path_style", path_style)
            .field("prefix", prefix)
            .finish()
    }
}

/// The configuration of a bucket cannot be right.
#[derive(Debug, thiserror::Error)]
pub enum BucketError {
    /// The prefix is no folder name.
    #[error("the bucket's prefix must be folder names joined by '/', such as archive/site-b")]
    Prefix,
    /// The address is no URL of a server, or `http://` where that is not allowed.
    #[error("the bucket's endpoint must be the URL of a server: https://host[:port], or http:// where that is allowed")]
    Endpoint,
    /// A region, key or bucket name of an impossible form.
    #[error("the bucket's name, region or key is of an impossible form")]
    Client(#[from] object_store::Error),
}

/// What a bucket says about locking objects against deletion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ObjectLock {
    /// It is enabled on this bucket.
    Enabled,
    /// The server knows it; this bucket does not have it.
    Disabled,
    /// The server does not know it.
    Unsupported,
    /// The server gave no usable answer.
    Unknown,
}

impl BucketConfig {
    /// The prefix with its final slash, or nothing.
    pub(super) fn prefix_folder(&self) -> Result<String, BucketError> {
        match self.prefix.trim_end_matches('/') {
            "" => Ok(String::new()),
            prefix => {
                let name: ObjectName = prefix.parse().map_err(|_| BucketError::Prefix)?;
                Ok(format!("{name}/"))
            }
        }
    }

    /// Checked here, because `object_store` panics at the first request to what is no URL.
    pub(super) fn check_endpoint(&self) -> Result<(), BucketError> {
        let mut request = HttpRequest::new(HttpRequestBody::empty());
        *request.uri_mut() = self.url().parse().map_err(|_| BucketError::Endpoint)?;
        let allowed = match request.uri().scheme_str() {
            Some("https") => true,
            Some("http") => self.allow_http,
            _ => false,
        };
        if allowed && request.uri().host().is_some() { Ok(()) } else { Err(BucketError::Endpoint) }
    }

    /// - `patient`: repeats requests that are harmless to repeat.
    pub(super) fn client(&self, patient: bool) -> Result<Arc<AmazonS3>, BucketError> {
        let retry = RetryConfig {
            max_retries: if patient { RetryConfig::default().max_retries } else { 0 },
            retry_timeout: RETRY_TIMEOUT,
            ..RetryConfig::default()
        };
        let mut builder = AmazonS3Builder::new()
            .with_bucket_name(&self.bucket)
            .with_region(&self.region)
            .with_access_key_id(&self.key_id)
            .with_secret_access_key(&self.secret)
            .with_virtual_hosted_style_request(!self.path_style)
            .with_conditional_put(S3ConditionalPut::ETagMatch)
            // Buckets with object lock ask for a checksum on every write.
            .with_checksum_algorithm(Checksum::SHA256)
            // The request for several deletions at once is not known to every server.
            .with_disable_bulk_delete(true)
            .with_retry(retry)
            .with_client_options(self.client_options())
            .with_http_connector(ConditionalCompletion);
        if let Some(endpoint) = &self.endpoint {
            builder = builder.with_endpoint(endpoint);
        }
        Ok(Arc::new(builder.build()?))
    }

    fn client_options(&self) -> ClientOptions {
        ClientOptions::new()
            .with_allow_http(self.allow_http)
            .with_connect_timeout(CONNECT_TIMEOUT)
            .with_timeout(REQUEST_TIMEOUT)
    }

    fn url(&self) -> String {
        let Self { bucket, region, .. } = self;
        match (&self.endpoint, self.path_style) {
            (Some(endpoint), true) => format!("{}/{bucket}", endpoint.trim_end_matches('/')),
            // As object_store: an endpoint of the virtual-hosted style names the bucket already.
            (Some(endpoint), false) => endpoint.trim_end_matches('/').to_owned(),
            (None, true) => format!("https://s3.{region}.amazonaws.com/{bucket}"),
            (None, false) => format!("https://{bucket}.s3.{region}.amazonaws.com"),
        }
    }
}

/// Has the completion of a multipart upload carry `If-None-Match: *`, which the server then honours as for a plain PUT
/// (Amazon S3 API, CompleteMultipartUpload). `object_store` 0.14 offers no other way to ask for it.
#[derive(Debug)]
struct ConditionalCompletion;

impl HttpConnector for ConditionalCompletion {
    fn connect(&self, options: &ClientOptions) -> object_store::Result<HttpClient> {
        ReqwestConnector::default().connect(options).map(|client| HttpClient::new(Conditional(client)))
    }
}

#[derive(Debug)]
struct Conditional(HttpClient);

impl HttpService for Conditional {
    // What the macro of the crate async_trait makes of an async method.
    fn call<'a, 'f>(
        &'a self,
        mut request: HttpRequest,
    ) -> Pin<Box<dyn Future<Output = Result<HttpResponse, HttpError>> + Send + 'f>>
    where
        'a: 'f,
        Self: 'f,
    {
        let completes = request.uri().query().is_some_and(|q| q.split('&').any(|p| p.starts_with("uploadId=")));
        if completes && request.method().as_str() == "POST" {
            request.headers_mut().insert("if-none-match", HeaderValue::from_static("*"));
        }
        Box::pin(self.0.execute(request))
    }
}

/// What the questions need that `object_store` does not ask.
#[derive(Debug)]
pub(super) struct Bucket {
    s3: Arc<AmazonS3>,
    http: HttpClient,
    region: String,
    url: String,
}

impl Bucket {
    pub(super) fn new(config: &BucketConfig, s3: Arc<AmazonS3>) -> Result<Self, BucketError> {
        let http = ReqwestConnector::default().connect(&config.client_options())?;
        Ok(Self { s3, http, region: config.region.clone(), url: config.url() })
    }

    /// Asks for the bucket's lock configuration (Amazon S3 API, GetObjectLockConfiguration).
    pub(super) async fn object_lock(&self) -> ObjectLock {
        match self.ask_object_lock().await {
            Some((200, body)) if body.contains("<ObjectLockEnabled>Enabled</ObjectLockEnabled>") => ObjectLock::Enabled,
            Some((404, body)) if body.contains("ObjectLockConfigurationNotFoundError") => ObjectLock::Disabled,
            Some((200, _)) => ObjectLock::Disabled,
            Some((400 | 405 | 501, _)) => ObjectLock::Unsupported,
            _ => ObjectLock::Unknown,
        }
    }

    async fn ask_object_lock(&self) -> Option<(u16, String)> {
        let credential = self.s3.credentials().get_credential().await.ok()?;
        let mut request = HttpRequest::new(HttpRequestBody::empty());
        *request.uri_mut() = format!("{}?object-lock=", self.url).parse().ok()?;
        AwsAuthorizer::new(&credential, "s3", &self.region).try_authorize(&mut request, None).ok()?;
        let answer = self.http.execute(request).await.ok()?;
        let status = answer.status().as_u16();
        let body = answer.into_body().bytes().await.ok()?;
        Some((status, String::from_utf8_lossy(&body).into_owned()))
    }
}

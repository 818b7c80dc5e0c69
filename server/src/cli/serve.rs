//! `cartulaire serve`: the archive behind its HTTP API until a signal, or until writing has to stop.

use std::io::IsTerminal;
use std::sync::Arc;
use std::time::Duration;

use cartulaire_engine::service::Service;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::filter::LevelFilter;

use super::arguments::Common;
use super::exit::{Exit, Failure};
use super::screen::Screen;
use crate::config::{self, Config, LogFormat};
use crate::http::{self, AppState, Options, TlsConfig};
use crate::open;

/// How often it is asked whether writing has stopped; nobody is answered in between but with a refusal.
const POISON_CHECK: Duration = Duration::from_millis(200);

pub(super) fn run(common: &Common, screen: &Screen) -> Result<Exit, Failure> {
    if common.server.is_some() {
        return Err(Failure::LocalOnly("serve"));
    }
    let config = Config::load(&common.config)?;
    log_to_stderr(&config.log);
    let tls = config.listen.tls.as_ref().map(tls).transpose()?;
    let bar = screen.spinner("ouverture");
    let service = open::service(&config, &mut |_| bar.inc(1));
    bar.finish_and_clear();
    let service = Arc::new(service?);
    // The runtime outlives the requests, not the service: blocking adapters must not be dropped inside it.
    let runtime = tokio::runtime::Runtime::new().map_err(Failure::Runtime)?;
    let served = runtime.block_on(serve(&config, tls, Arc::clone(&service)));
    runtime.shutdown_timeout(Duration::from_secs(1));
    let poisoned = service.is_poisoned();
    // The last reference: what is queued is committed and sealed before this returns.
    drop(service);
    served?;
    if poisoned { Err(Failure::Poisoned) } else { Ok(Exit::Success) }
}

async fn serve(config: &Config, tls: Option<TlsConfig>, service: Arc<Service>) -> Result<(), Failure> {
    let address = config.listen.address;
    let refused = |source| Failure::Listen { address, source };
    let listener = TcpListener::bind(address).await.map_err(refused)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(Failure::Runtime)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(Failure::Runtime)?;
    let scheme = if tls.is_some() { "https" } else { "http" };
    let bound = listener.local_addr().map_err(refused)?;
    if tls.is_none() && !bound.ip().is_loopback() {
        tracing::warn!("keys and documents travel unprotected: give listen.certificate and listen.key");
    }
    if config.time_stamping.has_development() {
        tracing::warn!("time-stamps come from the development authority: NOT QUALIFIED / NON QUALIFIÉE");
    }
    tracing::info!(url = %format_args!("{scheme}://{bound}/"), origin = config.origin, "serving");
    let state = AppState::new(Arc::clone(&service), options(config));
    let until = async {
        tokio::select! {
            _ = terminate.recv() => tracing::info!("SIGTERM: stopping"),
            _ = interrupt.recv() => tracing::info!("SIGINT: stopping"),
            () = poisoned(&service) => tracing::error!("writing has stopped; starting again recovers"),
        }
    };
    http::serve(vec![listener], tls, state, until).await;
    tracing::info!("stopped");
    Ok(())
}

async fn poisoned(service: &Service) {
    while !service.is_poisoned() {
        tokio::time::sleep(POISON_CHECK).await;
    }
}

fn options(config: &Config) -> Options {
    let limits = http::Limits {
        body_bytes_max: config.limits.deposit_bytes_max.get(),
        connections_max: usize::try_from(config.limits.connections_max.get()).unwrap_or(usize::MAX),
        ..http::Limits::default()
    };
    Options { limits, with_metrics: config.metrics }
}

fn tls(files: &config::Tls) -> Result<TlsConfig, Failure> {
    let read = |path: &std::path::Path| std::fs::read(path).map_err(Failure::file(path));
    Ok(TlsConfig::from_pem(&read(&files.certificate)?, &read(&files.key)?)?)
}

fn log_to_stderr(log: &config::Log) {
    let level = LevelFilter::from_level(log.level);
    let builder = tracing_subscriber::fmt().with_max_level(level).with_writer(std::io::stderr);
    // Somebody else may have begun logging in this process already: then it is theirs.
    _ = match log.format {
        LogFormat::Text => builder.with_ansi(std::io::stderr().is_terminal()).try_init(),
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
    };
}

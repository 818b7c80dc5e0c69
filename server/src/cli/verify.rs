//! `cartulaire verify`: the audit library's judgement of a bundle or a site. Nothing here opens the archive.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use cartulaire_audit::source::Directory;
use cartulaire_audit::{Language, Report, Trust, bundle, site};
use cartulaire_formats::bundle::BAGIT;
use cartulaire_formats::note::VerifierKey;
use cartulaire_formats::tsp::TrustAnchors;
use cartulaire_formats::x509::certificates_from_pem;
use jiff::Timestamp;

use super::arguments;
use super::exit::{Exit, Failure};
use super::screen::Screen;

pub(super) fn run(arguments: &arguments::Verify, screen: &Screen) -> Result<Exit, Failure> {
    let trust = trust(arguments)?;
    let report = judge(&arguments.path, &trust, screen)?;
    let language = if arguments.english { Language::English } else { Language::French };
    screen.out(&if screen.is_json() { report.to_json() } else { report.to_text(language) });
    Ok(exit(&report))
}

/// The same codes as `cartulaire-verify`.
fn exit(report: &Report) -> Exit {
    match report.exit_code() {
        0 => Exit::Success,
        3 => Exit::Reserved,
        _ => Exit::Failure,
    }
}

fn judge(path: &Path, trust: &Trust, screen: &Screen) -> Result<Report, Failure> {
    if !fs::metadata(path).map_err(Failure::file(path))?.is_dir() {
        return Ok(bundle::verify_zip(File::open(path).map_err(Failure::file(path))?, trust));
    }
    let source = Directory::new(path);
    if path.join(BAGIT).exists() {
        return Ok(bundle::verify(&source, None, trust));
    }
    if !site::is_site(&source) {
        return Err(Failure::NotVerifiable(path.to_owned()));
    }
    let bar = screen.bar(0, "vérification");
    let report = site::audit(&source, trust, &site::Known::default(), &mut |progress| {
        bar.set_length(progress.of);
        bar.set_position(progress.done);
    });
    bar.finish_and_clear();
    Ok(report)
}

fn trust(arguments: &arguments::Verify) -> Result<Trust, Failure> {
    let mut trust = Trust::none(Timestamp::now());
    if !arguments.trust.is_empty() {
        trust.anchors = Some(anchors(&arguments.trust)?);
    }
    trust.log_key = arguments.log_key.as_deref().map(log_key).transpose()?;
    for path in &arguments.crl {
        trust.revocation_lists.push(fs::read(path).map_err(Failure::file(path))?);
    }
    Ok(trust)
}

/// Roots from PEM files.
pub(super) fn anchors(paths: &[PathBuf]) -> Result<TrustAnchors, Failure> {
    let mut roots = Vec::new();
    for path in paths {
        let text = fs::read(path).map_err(Failure::file(path))?;
        let found = certificates_from_pem(&String::from_utf8_lossy(&text));
        let found = found.ok().filter(|found| TrustAnchors::new(found).is_ok());
        roots.extend(found.ok_or_else(|| Failure::NotARoot(path.clone()))?);
    }
    TrustAnchors::new(&roots).map_err(|_| Failure::NotARoot(paths[0].clone()))
}

/// A verifier key as text, or the file of that name.
fn log_key(argument: &str) -> Result<VerifierKey, Failure> {
    let key = argument.parse::<VerifierKey>().ok();
    let read = || fs::read_to_string(argument).ok().and_then(|text| text.trim_end().parse().ok());
    key.or_else(read).ok_or_else(|| Failure::NotALogKey(argument.to_owned()))
}

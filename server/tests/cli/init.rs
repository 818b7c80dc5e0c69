//! Making an archive, and what is refused before one is opened.

use std::os::unix::fs::{MetadataExt, PermissionsExt};

use crate::running::{Archive, cartulaire, plain, run};

#[test]
fn an_archive_is_made_and_its_key_shown_once() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("a/b");
    let outcome = run(cartulaire().arg("init").arg(&root).args(["--origin", "log.example"]));
    let expected = "\
Archive créée dans FOLDER/a/b

Ce qu’elle contient
  réglages       FOLDER/a/b/cartulaire.toml
  clés privées   FOLDER/a/b/secrets  (gardez-en une copie hors de cette machine)
  clé du journal VKEY
  racine         FOLDER/a/b/trust/root.pem  autorité de développement, NON QUALIFIÉE

Clé d’administration, montrée cette seule fois
  SECRET

Ensuite
  cartulaire -c FOLDER/a/b/cartulaire.toml tenant create kerlouan --name \"Commune de Kerlouan-sur-Mer\"
  cartulaire -c FOLDER/a/b/cartulaire.toml serve
";
    assert_eq!((outcome.code, plain(&outcome.out, folder.path()).as_str(), outcome.err.as_str()), (0, expected, ""));
    let mode = |path: &str| std::fs::metadata(root.join(path)).unwrap().mode() & 0o7777;
    assert_eq!(mode("secrets"), 0o700);
    for key in ["log.key.pem", "development-ca.key.pem", "development-tsu.key.pem"] {
        assert_eq!(mode(&format!("secrets/{key}")), 0o600, "{key}");
    }
    for public in ["root.pem", "development-tsu.pem", "log.vkey", "log.pub.pem"] {
        assert_eq!(mode(&format!("trust/{public}")), 0o644, "{public}");
    }
}

#[test]
fn a_folder_that_is_not_empty_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("file"), "mine").unwrap();
    for command in ["init", "demo"] {
        let outcome = run(cartulaire().arg(command).arg(folder.path()));
        let expected = "erreur : FOLDER : le dossier n’est pas vide ; rien n’a été fait.\n  Donnez un dossier vide ou qui n’existe pas encore.\n";
        assert_eq!((outcome.code, outcome.out.as_str()), (1, ""), "{command}");
        assert_eq!(plain(&outcome.err, folder.path()), expected);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}

#[test]
fn an_origin_that_is_none_is_refused_before_anything_is_made() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("archive");
    let outcome = run(cartulaire().arg("init").arg(&root).args(["--origin", "https://log.example"]));
    assert_eq!(outcome.code, 5, "{outcome:?}");
    assert!(outcome.err.contains("clé « origin » : valeur refusée"), "{}", outcome.err);
    assert!(!root.exists());
}

#[test]
fn a_private_key_that_others_may_read_stops_everything() {
    let archive = Archive::new();
    let key = archive.root().join("secrets/log.key.pem");
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o640)).unwrap();
    let outcome = archive.run(&["status"]);
    let expected = "erreur : FOLDER/archive/secrets/log.key.pem : clé privée lisible par d’autres (droits 0640), refusée.\n  Écrivez : chmod 600 FOLDER/archive/secrets/log.key.pem\n";
    assert_eq!((outcome.code, archive.plain(&outcome.err).as_str()), (5, expected));
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o600)).unwrap();
    assert_eq!(archive.run(&["status"]).code, 0);
}

#[test]
fn a_wrong_configuration_says_what_to_write() {
    let archive = Archive::new();
    let mut command = archive.command(&["serve"]);
    let outcome = run(command.env("CARTULAIRE_LISTEN__ADDRESS", "localhost"));
    let expected = "\
erreur : variable d’environnement CARTULAIRE_LISTEN__ADDRESS, clé « listen.address » : valeur refusée
  trouvé  : \"localhost\"
  attendu : une adresse IP et un port
  exemple : address = \"127.0.0.1:8440\"
";
    assert_eq!((outcome.code, outcome.err.as_str()), (5, expected));
}

#[test]
fn sites_and_certificates_that_cannot_be_used_are_named() {
    let archive = Archive::new();
    let bucket = "{kind = \"s3\", endpoint = \"http://127.0.0.1:1\", bucket = \"b\", access_key_env = \"S3_ID\", secret_key_env = \"S3_SECRET\"}";
    let outcome = run(archive.command(&["status"]).env("CARTULAIRE_SITE", bucket).env_remove("S3_ID"));
    let expected = "erreur : site « principal » : la variable d’environnement S3_ID n’est pas définie.\n  Elle doit porter une clé d’accès au compartiment.\n";
    assert_eq!((outcome.code, outcome.err.as_str()), (5, expected));

    let outcome = run(archive.command(&["status"]).env("CARTULAIRE_SITE__PATH", "ailleurs"));
    assert_eq!(outcome.code, 5);
    assert!(outcome.err.starts_with("erreur : site « principal » : there is no folder "), "{}", outcome.err);

    let real = "[{name = \"a\", url = \"http://127.0.0.1:1/\", policies = [\"1.2\"], trust_root = \"trust/log.vkey\"}]";
    let mut command = archive.command(&["status"]);
    command.env("CARTULAIRE_TIME_STAMPING__DEVELOPMENT", "[]").env("CARTULAIRE_TIME_STAMPING__SHA256", real);
    let outcome = run(&mut command);
    let expected = "erreur : FOLDER/archive/trust/log.vkey : racine de confiance de l’autorité « a » illisible ou sans certificat.\n  Obtenez-la auprès de l’autorité, en PEM, et vérifiez son empreinte par une autre voie.\n";
    assert_eq!((outcome.code, archive.plain(&outcome.err).as_str()), (5, expected));

    let mut command = archive.command(&["serve"]);
    command.env("CARTULAIRE_LISTEN__CERTIFICATE", "trust/log.vkey").env("CARTULAIRE_LISTEN__KEY", "trust/log.vkey");
    let outcome = run(&mut command);
    let expected = "erreur : TLS : the certificate file holds no PEM certificates.\n  listen.certificate et listen.key doivent être un certificat et sa clé privée, en PEM.\n";
    assert_eq!((outcome.code, outcome.err.as_str()), (5, expected));
}

#[test]
fn usage_errors_are_code_2_and_help_is_0() {
    let outcome = run(cartulaire().arg("versement"));
    assert_eq!((outcome.code, outcome.out.as_str()), (2, ""));
    for command in [
        "", "init", "serve", "demo", "tenant", "key", "deposit", "get", "prove", "verify", "journal", "status",
        "rebuild",
    ] {
        let outcome = run(cartulaire().args(command.split_whitespace()).arg("--help"));
        assert_eq!((outcome.code, outcome.err.as_str()), (0, ""), "{command}");
        assert!(outcome.out.contains("cartulaire"), "{command}");
    }
    assert!(run(cartulaire().arg("--help")).out.contains("75  le sort d’une écriture est inconnu"));
}

//! Every refusal's whole text, because the operator acts on it; and every key read from file and environment.

use super::*;

const SMALLEST: &str = "origin = \"log.example\"\n[site]\nkind = \"directory\"\npath = \"site\"\n[time_stamping]\ndevelopment = [\"sha256\"]\n";

fn parse(text: &str, variables: &[(&str, &str)]) -> Result<Config, ConfigError> {
    let variables = variables.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
    Config::parse(Path::new("/etc/cartulaire.toml"), text, variables)
}

#[track_caller]
fn refused(text: &str, variables: &[(&str, &str)], expected: &str) {
    assert_eq!(parse(text, variables).expect_err("refused").to_string(), expected);
}

fn smallest() -> Config {
    Config {
        origin: "log.example".into(),
        listen: Listen { address: LISTEN_DEFAULT, tls: None },
        index: "/etc/index".into(),
        secrets: "/etc/secrets".into(),
        trust: "/etc/trust".into(),
        site: SiteConfig { name: "principal".into(), place: SitePlace::Directory("/etc/site".into()) },
        copies: Vec::new(),
        seal_period: Duration::from_secs(1),
        time_stamping: TimeStamping {
            development_sha256: true,
            development_sha512: false,
            sha256: Vec::new(),
            sha512: Vec::new(),
        },
        limits: Limits::default(),
        log: Log { format: LogFormat::Text, level: tracing::Level::INFO },
        metrics: true,
    }
}

#[test]
fn the_smallest_file_and_the_template_mean_the_same() {
    assert_eq!(parse(SMALLEST, &[]).unwrap(), smallest());
    assert_eq!(parse(&template("log.example"), &[]).unwrap(), smallest());
}

#[test]
fn what_the_template_comments_out_is_valid_too() {
    let uncommented: String = template("log.example")
        .lines()
        .map(|line| match line.strip_prefix("# ") {
            Some(key)
                if key.starts_with("[[") || key.split_once(" = ").is_some_and(|(k, _)| !k.contains([' ', '.'])) =>
            {
                key
            }
            _ => line,
        })
        .filter(|line| !line.starts_with("development ="))
        .map(|line| format!("{line}\n"))
        .collect();
    // The bucket's keys repeat those of the directory, so the directory's are taken out.
    let uncommented = uncommented.replacen("kind = \"directory\"\npath = \"site\"\n", "", 1);
    let config = parse(&uncommented, &[]).unwrap_or_else(|error| panic!("{error}\n{uncommented}"));
    assert!(matches!(config.site.place, SitePlace::Bucket(_)));
    assert_eq!(config.copies.len(), 1);
    assert_eq!(
        config.time_stamping.sha256[0].qualified.as_deref(),
        Some("FR, Exemple SA, service d'horodatage n° 3, QTST granted")
    );
    assert_eq!(config.time_stamping.sha512.len(), 1);
    assert!(config.listen.tls.is_some());
}

#[test]
fn every_key_is_read() {
    let text = r#"
origin = "log.example"
index = "/fast/index"
secrets = "keys"
seal_period_ms = 250
metrics = false
[listen]
address = "[::]:443"
certificate = "tls/cert.pem"
key = "/run/key.pem"
[site]
name = "rennes"
kind = "s3"
endpoint = "http://10.0.0.1:8333"
bucket = "cartulaire"
region = "bzh"
prefix = "a/b"
access_key_env = "S3_ID"
secret_key_env = "CARTULAIRE_SECRET_S3"
[[copies]]
name = "brest"
kind = "directory"
path = "/mnt/brest"
[time_stamping]
development = ["sha512"]
[[time_stamping.sha256]]
name = "tsa-a"
url = "https://tsa.example/"
policies = ["1.2.3", "2.25.7"]
trust_root = "trust/a.pem"
timeout_ms = 1500
qualified = "FR, A, QTST"
[limits]
deposit_bytes_max = 1
connections_max = 9
[log]
format = "json"
level = "debug"
"#;
    let some = |n| NonZeroU64::new(n).unwrap();
    let expected = Config {
        origin: "log.example".into(),
        listen: Listen {
            address: "[::]:443".parse().unwrap(),
            tls: Some(Tls { certificate: "/etc/tls/cert.pem".into(), key: "/run/key.pem".into() }),
        },
        index: "/fast/index".into(),
        secrets: "/etc/keys".into(),
        trust: "/etc/trust".into(),
        site: SiteConfig {
            name: "rennes".into(),
            place: SitePlace::Bucket(Bucket {
                endpoint: "http://10.0.0.1:8333".into(),
                bucket: "cartulaire".into(),
                region: "bzh".into(),
                prefix: "a/b".into(),
                access_key_env: "S3_ID".into(),
                secret_key_env: "CARTULAIRE_SECRET_S3".into(),
            }),
        },
        copies: vec![SiteConfig { name: "brest".into(), place: SitePlace::Directory("/mnt/brest".into()) }],
        seal_period: Duration::from_millis(250),
        time_stamping: TimeStamping {
            development_sha256: false,
            development_sha512: true,
            sha256: vec![Authority {
                name: "tsa-a".into(),
                url: "https://tsa.example/".into(),
                policies: vec!["1.2.3".into(), "2.25.7".into()],
                trust_root: "/etc/trust/a.pem".into(),
                timeout: Duration::from_millis(1500),
                qualified: Some("FR, A, QTST".into()),
            }],
            sha512: Vec::new(),
        },
        limits: Limits { deposit_bytes_max: some(1), connections_max: some(9) },
        log: Log { format: LogFormat::Json, level: tracing::Level::DEBUG },
        metrics: false,
    };
    assert_eq!(parse(text, &[]).unwrap(), expected);
}

#[test]
fn variables_prevail_over_the_file() {
    let variables = [
        ("CARTULAIRE_ORIGIN", "other.example"),
        ("CARTULAIRE_LISTEN__ADDRESS", "0.0.0.0:1"),
        ("CARTULAIRE_SEAL_PERIOD_MS", "50"),
        ("CARTULAIRE_METRICS", "false"),
        ("CARTULAIRE_COPIES", "[{name = \"b\", kind = \"directory\", path = \"/b\"}]"),
        ("CARTULAIRE_CONFIG", "elsewhere"),
        ("CARTULAIRE_SERVER", "https://x"),
        ("CARTULAIRE_KEY", "cart_"),
        ("CARTULAIRE_SECRET_S3", "x"),
        ("CARTULAIREX", "x"),
        ("PATH", "/bin"),
    ];
    let mut expected = smallest();
    expected.origin = "other.example".into();
    expected.listen.address = "0.0.0.0:1".parse().unwrap();
    expected.seal_period = Duration::from_millis(50);
    expected.metrics = false;
    expected.copies = vec![SiteConfig { name: "b".into(), place: SitePlace::Directory("/b".into()) }];
    assert_eq!(parse(SMALLEST, &variables).unwrap(), expected);
}

#[test]
fn a_file_that_is_not_there() {
    let error = Config::load(Path::new("/nonexistent/cartulaire.toml")).unwrap_err();
    let expected = "/nonexistent/cartulaire.toml : fichier illisible (No such file or directory (os error 2))
  attendu : le fichier de configuration
  exemple : « cartulaire init DOSSIER » en écrit un, puis « cartulaire --config DOSSIER/cartulaire.toml … »";
    assert_eq!(error.to_string(), expected);
}

#[test]
fn a_file_that_is_not_toml() {
    let expected = "/etc/cartulaire.toml, ligne 2, colonne 10 : ce n’est pas du TOML
  trouvé  : origin = archives
  attendu : clé = valeur, ou [table] (REASON)
  exemple : origin = \"archives.exemple.fr/journal\"";
    let text = "# é\norigin = archives\n";
    let error = parse(text, &[]).unwrap_err();
    let ConfigError::Syntax { reason, .. } = &error else { panic!("{error}") };
    assert_eq!(error.to_string().replace(reason, "REASON"), expected);
}

#[test]
fn an_unknown_key() {
    refused(
        &SMALLEST.replace("kind =", "knid ="),
        &[],
        "/etc/cartulaire.toml, clé « site.kind » : clé absente
  trouvé  : rien
  attendu : \"directory\" (un dossier) ou \"s3\" (un compartiment S3)
  exemple : kind = \"directory\"",
    );
    refused(
        &format!("{SMALLEST}[listen]\nadress = \"127.0.0.1:1\"\n"),
        &[],
        "/etc/cartulaire.toml, clé « listen.adress » : clé inconnue
  trouvé  : listen.adress
  attendu : l’une de : address, certificate, key
  exemple : address = \"127.0.0.1:8440\"",
    );
    refused(
        SMALLEST,
        &[("CARTULAIRE_ORIGINE", "x")],
        "variable d’environnement CARTULAIRE_ORIGINE, clé « origine » : clé inconnue
  trouvé  : origine
  attendu : l’une de : origin, listen, site, copies, index, secrets, seal_period_ms, time_stamping, limits, log, metrics
  exemple : origin = \"archives.exemple.fr/journal\"",
    );
}

#[test]
fn a_missing_key() {
    refused(
        "",
        &[],
        "/etc/cartulaire.toml, clé « origin » : clé absente
  trouvé  : rien
  attendu : le nom du journal : une URL sans « https:// », sans espace ni « + », de 1 à 200 caractères
  exemple : origin = \"archives.exemple.fr/journal\"",
    );
    refused(
        &format!("{SMALLEST}[listen]\ncertificate = \"cert.pem\"\n"),
        &[],
        "/etc/cartulaire.toml, clé « listen.key » : clé absente
  trouvé  : rien
  attendu : le fichier PEM de la clé du serveur (avec « certificate »)
  exemple : key = \"tls/cle.pem\"",
    );
    refused(
        &format!("{SMALLEST}[[copies]]\nkind = \"directory\"\npath = \"x\"\n"),
        &[],
        "/etc/cartulaire.toml, clé « copies[0].name » : clé absente
  trouvé  : rien
  attendu : un nom court : lettres, chiffres, « . », « _ » et « - », 64 au plus
  exemple : name = \"copie-rennes\"",
    );
}

#[test]
fn a_value_that_will_not_do() {
    refused(
        SMALLEST,
        &[("CARTULAIRE_LISTEN__ADDRESS", "localhost")],
        "variable d’environnement CARTULAIRE_LISTEN__ADDRESS, clé « listen.address » : valeur refusée
  trouvé  : \"localhost\"
  attendu : une adresse IP et un port
  exemple : address = \"127.0.0.1:8440\"",
    );
    refused(
        &format!("seal_period_ms = 10\n{SMALLEST}"),
        &[],
        "/etc/cartulaire.toml, clé « seal_period_ms » : valeur refusée
  trouvé  : 10
  attendu : un nombre de millisecondes, de 50 à 86 400 000
  exemple : seal_period_ms = 1000",
    );
    refused(
        &format!("copies = [3]\n{SMALLEST}"),
        &[],
        "/etc/cartulaire.toml, clé « copies[0] » : valeur refusée
  trouvé  : 3
  attendu : une liste de tables : les copies obligatoires
  exemple : [[copies]]
            name = \"copie\"
            kind = \"directory\"
            path = \"/mnt/copie\"",
    );
}

/// Each key with values that it refuses; the text of such a refusal is one of those above.
#[test]
fn every_key_refuses_what_it_does_not_take() {
    let authority = |key: &str, value: &str| {
        let all = [("name", "\"a\""), ("url", "\"https://a/\""), ("policies", "[\"1.2\"]"), ("trust_root", "\"r\"")];
        let rest: Vec<String> = all.iter().filter(|(k, _)| *k != key).map(|(k, v)| format!("{k} = {v}")).collect();
        format!("{{{key} = {value}, {}}}", rest.join(", "))
    };
    let bucket = |key: &str, value: &str| {
        let all = [
            ("kind", "\"s3\""),
            ("endpoint", "\"https://s3\""),
            ("bucket", "\"b\""),
            ("access_key_env", "\"A\""),
            ("secret_key_env", "\"B\""),
        ];
        let rest: Vec<String> = all.iter().filter(|(k, _)| *k != key).map(|(k, v)| format!("{k} = {v}")).collect();
        format!("{{{key} = {value}, {}}}", rest.join(", "))
    };
    let long = format!("\"{}\"", "x".repeat(501));
    let cases: Vec<(&str, String, String)> = vec![
        ("ORIGIN", "\"https://x\"".into(), "origin".into()),
        ("ORIGIN", "\"a b\"".into(), "origin".into()),
        ("ORIGIN", "\"a+b\"".into(), "origin".into()),
        ("ORIGIN", "\"\"".into(), "origin".into()),
        ("ORIGIN", "7".into(), "origin".into()),
        ("LISTEN", "7".into(), "listen".into()),
        ("LISTEN__CERTIFICATE", "\"\"".into(), "listen.certificate".into()),
        ("LISTEN__KEY", "7".into(), "listen.key".into()),
        ("SITE", "7".into(), "site".into()),
        ("SITE__NAME", "\"é\"".into(), "site.name".into()),
        ("SITE__KIND", "\"ftp\"".into(), "site.kind".into()),
        ("SITE__PATH", "7".into(), "site.path".into()),
        ("SITE", bucket("endpoint", "\"s3.example\""), "site.endpoint".into()),
        ("SITE", bucket("endpoint", "\"ftp://s3.example\""), "site.endpoint".into()),
        ("SITE", bucket("bucket", "\"a/b\""), "site.bucket".into()),
        ("SITE", bucket("region", "\"a b\""), "site.region".into()),
        ("SITE", bucket("prefix", "\"/a\""), "site.prefix".into()),
        ("SITE", bucket("access_key_env", "\"A B\""), "site.access_key_env".into()),
        ("SITE", bucket("secret_key_env", "\"CARTULAIRE_S3\""), "site.secret_key_env".into()),
        ("COPIES", "7".into(), "copies".into()),
        ("INDEX", "\"\"".into(), "index".into()),
        ("SECRETS", "7".into(), "secrets".into()),
        ("SEAL_PERIOD_MS", "86400001".into(), "seal_period_ms".into()),
        ("SEAL_PERIOD_MS", "1.5".into(), "seal_period_ms".into()),
        ("TIME_STAMPING", "7".into(), "time_stamping".into()),
        ("TIME_STAMPING__DEVELOPMENT", "true".into(), "time_stamping.development".into()),
        ("TIME_STAMPING__DEVELOPMENT", "[\"sha1\"]".into(), "time_stamping.development".into()),
        ("TIME_STAMPING__SHA256", "7".into(), "time_stamping.sha256".into()),
        ("TIME_STAMPING__SHA512", "[7]".into(), "time_stamping.sha512[0]".into()),
        ("TIME_STAMPING__SHA512", format!("[{}]", authority("name", "\"a b\"")), "time_stamping.sha512[0].name".into()),
        ("TIME_STAMPING__SHA512", format!("[{}]", authority("url", "\"tsa\"")), "time_stamping.sha512[0].url".into()),
        (
            "TIME_STAMPING__SHA512",
            format!("[{}]", authority("url", "\"https://me@tsa/\"")),
            "time_stamping.sha512[0].url".into(),
        ),
        (
            "TIME_STAMPING__SHA512",
            format!("[{}]", authority("policies", "[]")),
            "time_stamping.sha512[0].policies".into(),
        ),
        (
            "TIME_STAMPING__SHA512",
            format!("[{}]", authority("policies", "[\"1.02\"]")),
            "time_stamping.sha512[0].policies".into(),
        ),
        (
            "TIME_STAMPING__SHA512",
            format!("[{}]", authority("policies", "[\"3.1\"]")),
            "time_stamping.sha512[0].policies".into(),
        ),
        (
            "TIME_STAMPING__SHA512",
            format!("[{}]", authority("trust_root", "7")),
            "time_stamping.sha512[0].trust_root".into(),
        ),
        (
            "TIME_STAMPING__SHA512",
            format!("[{}]", authority("timeout_ms", "0")),
            "time_stamping.sha512[0].timeout_ms".into(),
        ),
        (
            "TIME_STAMPING__SHA512",
            format!("[{}]", authority("qualified", &long)),
            "time_stamping.sha512[0].qualified".into(),
        ),
        ("LIMITS", "7".into(), "limits".into()),
        ("LIMITS__DEPOSIT_BYTES_MAX", "0".into(), "limits.deposit_bytes_max".into()),
        ("LIMITS__CONNECTIONS_MAX", "-1".into(), "limits.connections_max".into()),
        ("LOG", "7".into(), "log".into()),
        ("LOG__FORMAT", "\"xml\"".into(), "log.format".into()),
        ("LOG__LEVEL", "\"all\"".into(), "log.level".into()),
        ("METRICS", "\"yes\"".into(), "metrics".into()),
    ];
    for (variable, value, key) in cases {
        let variable = format!("CARTULAIRE_{variable}");
        let text = if variable.contains("SITE") {
            SMALLEST.replace("kind = \"directory\"\npath = \"site\"\n", "kind = \"directory\"\n")
        } else {
            SMALLEST.to_owned()
        };
        let error = parse(&text, &[(&variable, &value)]).expect_err(&key);
        let ConfigError::Wrong { place, .. } = &error else { panic!("{variable}={value}: {error}") };
        assert_eq!(*place, Place { origin: Origin::Variable(variable), key }, "{error}");
    }
}

#[test]
fn a_variable_into_a_list() {
    refused(
        &format!("{SMALLEST}[[copies]]\nname = \"b\"\nkind = \"directory\"\npath = \"b\"\n"),
        &[("CARTULAIRE_COPIES__NAME", "c")],
        "variable d’environnement CARTULAIRE_COPIES__NAME, clé « copies.name » : ce qui précède « __ » n’est pas une table
  trouvé  : une liste ou une valeur simple dans le fichier
  attendu : TABLE__CLÉ ; une liste se donne en entier
  exemple : CARTULAIRE_LISTEN__ADDRESS=127.0.0.1:8440",
    );
}

#[test]
fn one_name_for_two() {
    refused(
        &format!("{SMALLEST}[[copies]]\nname = \"principal\"\nkind = \"directory\"\npath = \"b\"\n"),
        &[],
        "/etc/cartulaire.toml, clé « copies » : nom donné deux fois
  trouvé  : \"principal\" deux fois
  attendu : un nom différent pour chacun
  exemple : name = \"principal-2\"",
    );
    let twice =
        "[[time_stamping.sha512]]\nname = \"a\"\nurl = \"https://a/\"\npolicies = [\"1.2\"]\ntrust_root = \"r\"\n"
            .repeat(2);
    let error = parse(&format!("{SMALLEST}{twice}"), &[]).unwrap_err();
    assert!(matches!(error, ConfigError::NameTwice { place, .. } if place.key == "time_stamping.sha512"));
}

#[test]
fn nobody_to_stamp() {
    refused(
        &SMALLEST.replace("[\"sha256\"]", "[]"),
        &[],
        "/etc/cartulaire.toml, clé « time_stamping.sha256 » : aucune autorité d’horodatage
  trouvé  : rien
  attendu : au moins une autorité, ou l’autorité de développement (non qualifiée)
  exemple : development = [\"sha256\"], ou une table [[time_stamping.sha256]]",
    );
}

#[test]
fn the_development_authority_never_stands_beside_real_ones() {
    let real =
        "[[time_stamping.sha256]]\nname = \"a\"\nurl = \"https://a/\"\npolicies = [\"1.2\"]\ntrust_root = \"r\"\n";
    refused(
        &format!("{SMALLEST}{real}"),
        &[],
        "/etc/cartulaire.toml, clé « time_stamping.sha256 » : autorités réelles et autorité de développement ensemble
  trouvé  : cet arbre dans « development » et une table [[time_stamping.sha256]]
  attendu : les unes ou l’autre, car un jeton de développement ne prouve rien à un tiers
  exemple : development = []",
    );
}

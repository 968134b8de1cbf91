//! TLS, and every way to log in.
use std::{fs, process::Command};

use async_nats::{ConnectOptions, jetstream};

use super::{STDOUT, piping::Piping, server::Server};

/// Certificates in a folder: an authority's, one of a server at 127.0.0.1, one of a client.
fn certificates(folder: &std::path::Path) {
    let commands = "
      openssl req -x509 -newkey rsa:2048 -nodes -days 2 -keyout ca.key -out ca.pem \
        -subj /CN=authority -addext basicConstraints=critical,CA:TRUE
      for name in server client; do
        openssl req -newkey rsa:2048 -nodes -keyout $name.key -out $name.csr -subj /CN=$name
        printf 'subjectAltName=IP:127.0.0.1,DNS:localhost\n' > ext
        openssl x509 -req -in $name.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 \
          -extfile ext -out $name.pem
      done";
    let output = Command::new("sh").args(["-ec", commands]).current_dir(folder).output();
    let output = output.expect("a shell");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

const TLS: &str = "tls { cert_file: \"FOLDER/server.pem\", key_file: \"FOLDER/server.key\", \
                   ca_file: \"FOLDER/ca.pem\", verify: true }
                   authorization { user: me, password: secret }";

/// The pipeline of a connection with these attributes beside its server.
fn components(server: &Server, more: &str) -> String {
    format!(
        "gopiper.loadComponent('nats_source_component.so', {{ connection = {{ servers = {{ '{}' }}, \
         {more} }}, stream = 'events', consumer = 'mail', create = {{}} }}),{STDOUT}",
        server.url()
    )
}

fn attributes(server: &Server, tls: &str, user: &str) -> String {
    let folder = server.folder.path().display();
    format!("tls = {{ {} }}, {user}", tls.replace("FOLDER", &folder.to_string()))
}

#[test]
fn tls_with_certificates_of_both_sides_and_a_password() {
    let mut server = Server::not_started_with(TLS);
    let folder = server.folder.path().to_owned();
    certificates(&folder);
    server.begin();
    let options = ConnectOptions::new()
        .require_tls(true)
        .add_root_certificates(folder.join("ca.pem"))
        .add_client_certificate(folder.join("client.pem"), folder.join("client.key"))
        .user_and_password("me".into(), "secret".into());
    let look = server.client_with(options);
    look.stream("events", &["events"]);
    look.publish("events", "hello", "1");
    let whole =
        "ca = 'FOLDER/ca.pem', certificate = 'FOLDER/client.pem', key = 'FOLDER/client.key'";
    let user = "user = 'me', password = 'secret'";
    let piping = Piping::start(&components(&server, &attributes(&server, whole, user)));
    piping.wait_for_lines(1);
    assert_eq!(piping.stop().0, 0);
    for (tls, user, wanted) in [
        (whole, "user = 'me', password = 'wrong'", "does not accept who connects"),
        (whole, "", "does not accept who connects"),
        ("certificate = 'FOLDER/client.pem', key = 'FOLDER/client.key'", user, "UnknownIssuer"),
        ("ca = 'FOLDER/none.pem'", user, "cannot read"),
        ("ca = 'FOLDER/ca.pem', certificate = 'FOLDER/client.pem'", user, "certificate and key"),
    ] {
        let (code, log) =
            Piping::start(&components(&server, &attributes(&server, tls, user))).end();
        assert_eq!(code, 78, "{log}");
        assert!(log.contains(wanted) && !log.contains("wrong'"), "{wanted}: {log}");
    }
}

#[test]
fn a_token_and_an_nkey() {
    let key = nkeys();
    for (config, given, wrong) in [
        (
            "authorization { token: s3cr3t }".to_owned(),
            "token = 's3cr3t'".to_owned(),
            "token = 'x'",
        ),
        (
            format!("authorization {{ users: [ {{ nkey: {} }} ] }}", key.public),
            format!("nkey = '{}'", key.seed),
            "nkey = 'SUAM'",
        ),
    ] {
        let server = Server::with(&config);
        let options = match config.contains("token") {
            true => ConnectOptions::with_token("s3cr3t".into()),
            false => ConnectOptions::with_nkey(key.seed.clone()),
        };
        let look = server.client_with(options);
        look.stream("events", &["events"]);
        look.publish("events", "hello", "1");
        let piping = Piping::start(&components(&server, &given));
        piping.wait_for_lines(1);
        assert_eq!(piping.stop().0, 0);
        let (code, log) = Piping::start(&components(&server, wrong)).end();
        assert_eq!(code, 78, "{log}");
        assert!(log.contains("connection."), "{log}");
    }
}

/// The components subscribe below this prefix alone: for messages, confirmations and answers.
#[test]
fn a_user_with_an_inbox_of_its_own() {
    let server = Server::with(
        "authorization { users: [
           { user: all, password: a }
           { user: few, password: f, permissions: {
               publish: [\"$JS.API.>\", \"$JS.ACK.>\", \"copies\"], subscribe: [\"_MINE.>\"] } }
         ] }",
    );
    let look = server.client_with(ConnectOptions::with_user_and_password("all".into(), "a".into()));
    look.stream("events", &["events"]);
    look.stream("copies", &["copies"]);
    look.publish_numbers("events", 0..100);
    let connection = format!(
        "connection = {{ servers = {{ '{}' }}, user = 'few', password = 'f', inbox_prefix = '_MINE' }}",
        server.url()
    );
    let piping = Piping::start(&format!(
        "gopiper.loadComponent('nats_source_component.so', {{ {connection}, stream = 'events', \
         consumer = 'copy', create = {{}} }}),
         gopiper.loadComponent('nats_sink_component.so', {{ {connection}, stream = 'copies', \
         subject = 'copies' }}),"
    ));
    look.wait_until_empty("events", "copy");
    let (code, log) = piping.stop();
    assert_eq!(code, 0, "{log}");
    assert_eq!(look.count("copies"), 100, "{log}");
}

struct Nkey {
    seed: String,
    public: String,
}

/// A user's key, from the documentation of nkeys.
fn nkeys() -> Nkey {
    let pair = nkeys::KeyPair::new_user();
    Nkey { seed: pair.seed().expect("a seed"), public: pair.public_key() }
}

/// Credentials as `nsc` writes them: an operator, an account, a user.
#[test]
fn a_credentials_file() {
    let (operator, account, user) =
        (nkeys::KeyPair::new_operator(), nkeys::KeyPair::new_account(), nkeys::KeyPair::new_user());
    let system = nkeys::KeyPair::new_account();
    let unlimited = r#""subs":-1,"conn":-1,"leaf":-1,"imports":-1,"exports":-1,"data":-1,"payload":-1,"wildcards":true,"mem_storage":-1,"disk_storage":-1,"streams":-1,"consumer":-1"#;
    let of_operator = jwt(&operator, &operator, "operator", r#""type":"operator","version":2"#);
    let limits = format!(r#""limits":{{{unlimited}}},"type":"account","version":2"#);
    let of_account = jwt(&operator, &account, "account", &limits);
    let rights = r#""pub":{},"sub":{},"subs":-1,"data":-1,"payload":-1,"type":"user","version":2"#;
    let of_system = jwt(&operator, &system, "system", r#""type":"account","version":2"#);
    let of_user = jwt(&account, &user, "user", rights);
    let server = Server::with(&format!(
        "operator: {of_operator}\nsystem_account: {0}\nresolver: MEMORY
         resolver_preload: {{ {0}: {of_system}, {1}: {of_account} }}",
        system.public_key(),
        account.public_key()
    ));
    let seed = user.seed().expect("a seed");
    let credentials = format!(
        "-----BEGIN NATS USER JWT-----\n{of_user}\n------END NATS USER JWT------\n\n\
         -----BEGIN USER NKEY SEED-----\n{seed}\n------END USER NKEY SEED------\n"
    );
    let file = server.folder.path().join("me.creds");
    fs::write(&file, &credentials).expect("written");
    let options = ConnectOptions::with_credentials(&credentials).expect("credentials");
    let look = server.client_with(options);
    look.stream("events", &["events"]);
    look.publish("events", "hello", "1");
    let given = format!("credentials = '{}'", file.display());
    let piping = Piping::start(&components(&server, &given));
    piping.wait_for_lines(1);
    assert_eq!(piping.stop().0, 0);
    fs::write(&file, "nothing").expect("written");
    let (code, log) = Piping::start(&components(&server, &given)).end();
    assert_eq!(code, 78, "{log}");
    assert!(log.contains("is not a credentials file"), "{log}");
}

/// A token that says something of `subject`, signed by `issuer`.
fn jwt(issuer: &nkeys::KeyPair, subject: &nkeys::KeyPair, name: &str, says: &str) -> String {
    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
    let head = URL_SAFE_NO_PAD.encode(r#"{"typ":"JWT","alg":"ed25519-nkey"}"#);
    let claims = format!(
        r#"{{"jti":"{name}","iat":1700000000,"iss":"{}","name":"{name}","sub":"{}","nats":{{{says}}}}}"#,
        issuer.public_key(),
        subject.public_key()
    );
    let body = format!("{head}.{}", URL_SAFE_NO_PAD.encode(claims));
    let signature = issuer.sign(body.as_bytes()).expect("signed");
    format!("{body}.{}", URL_SAFE_NO_PAD.encode(signature))
}

#[test]
fn a_bucket_is_watched() {
    let server = Server::start();
    let look = server.client();
    let store = look.runtime.block_on(look.jetstream.create_key_value(jetstream::kv::Config {
        bucket: "settings".into(),
        history: 5,
        ..jetstream::kv::Config::default()
    }));
    let store = store.expect("created");
    let put = |key: &str, value: &str| {
        look.runtime.block_on(store.put(key, value.to_owned().into())).expect("put");
    };
    put("a.one", "old");
    put("a.one", "1");
    put("b.two", "2");
    let components = format!(
        "gopiper.loadComponent('nats_source_component.so', {{ {}, bucket = 'settings', \
         keys = {{ 'a.*', 'c' }} }}),
         function(message)
           local given = message.attributes
           message.data = ('%s %s %d %s'):format(given.operation, given.subject,
             tonumber(given.revision), message.data)
         end,{STDOUT}",
        server.connection()
    );
    let mut piping = Piping::start(&components);
    piping.wait_for_lines(1);
    put("a.one", "3");
    put("b.two", "4");
    look.runtime.block_on(store.delete("a.one")).expect("deleted");
    put("c", "5");
    piping.wait_for_lines(4);
    let wanted = ["put a.one 2 1", "put a.one 4 3", "delete a.one 6 ", "put c 7 5"];
    assert_eq!(piping.lines(), wanted);
    look.runtime.block_on(look.jetstream.delete_key_value("settings")).expect("deleted");
    let (code, log) = piping.end();
    assert_eq!(code, 1, "{log}");
    assert!(log.contains("the server has no bucket 'settings'"), "{log}");
}

use crate::{
    diagnostics::Kind,
    testing::{Dir, ORIGIN, QUEUE, TENANT, tenant},
};

fn routes(text: &str) -> Dir {
    Dir::tenant(&tenant(&[TENANT, ORIGIN, QUEUE, text]))
}

#[test]
fn a_route_has_paths_and_an_origin_of_its_own() {
    let text = "[[route]]\npaths = [\"/api\", \"/rpc/\"]\n[route.origin]\nservers = [\"127.0.0.1:9001\"]\n\
                read_timeout = \"5m\"\n[route.origin.health]\npath = \"/up\"\n";
    let tenant = routes(text).only_tenant();
    let [route] = tenant.routes.as_slice() else { panic!("{:?}", tenant.routes) };
    assert_eq!(route.paths, ["/api", "/rpc/"]);
    assert_eq!(route.origin.servers[0].address.to_string(), "127.0.0.1:9001");
    assert_eq!(route.origin.read_timeout.as_secs(), 300);
    assert!(route.origin.health.is_some());
    assert_eq!(tenant.origin.servers[0].address.to_string(), "127.0.0.1:9000");
}

#[test]
fn mistakes_of_routes_have_their_places() {
    let origin = "[route.origin]\nservers = [\"127.0.0.1:9001\"]\n";
    routes(&format!("«[[route]]»\n{origin}")).is_wrong(Kind::Missing, "`paths` is missing", "/api");
    routes("«[[route]]»\npaths = [\"/api\"]\n").is_wrong(Kind::Missing, "`origin` is missing", "[route.origin]");
    routes(&format!("[[route]]\npaths = [«\"api\"»]\n{origin}")).is_wrong(Kind::Malformed, "starts with `/`", "/");
    routes(&format!("[[route]]\npaths = [«\"/.sluice/x\"»]\n{origin}")).is_wrong(Kind::Malformed, "Sluice's own", "");
    let twice = format!("[[route]]\npaths = [\"/a\"]\n{origin}[[route]]\npaths = [«\"/a\"»]\n{origin}");
    routes(&twice).is_wrong(Kind::Duplicate, "this path is taken", "keep one");
    routes(&format!("[route]\npaths = [\"/a\"]\n{origin}")).mistakes();
}

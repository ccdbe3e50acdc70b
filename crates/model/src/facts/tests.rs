use super::*;

#[test]
fn each_distinct_namespace_is_a_scope_and_none_is_the_cluster() {
    let scopes = |names: &[&str]| {
        WatchScope::of_namespaces(&names.iter().map(|name| (*name).to_owned()).collect::<Vec<String>>())
    };
    let namespace = |name: &str| WatchScope::Namespace(name.to_owned());
    assert_eq!(scopes(&["shop", "", "bank", "shop"]), [namespace("bank"), namespace("shop")]);
    assert_eq!(scopes(&[]), [WatchScope::Cluster]);
    assert_eq!(scopes(&[""]), [WatchScope::Cluster]);
}

#[test]
fn exceeded_limits_add_up() {
    let exceeded = |texts, elements| ExceededLimits { texts, elements };
    let sum: ExceededLimits = [exceeded(1, 20), exceeded(0, 0), exceeded(3, 4)].into_iter().sum();
    assert_eq!((sum, sum.is_empty()), (exceeded(4, 24), false));
    assert!(!exceeded(1, 0).is_empty() && !exceeded(0, 1).is_empty() && exceeded(0, 0).is_empty());
}

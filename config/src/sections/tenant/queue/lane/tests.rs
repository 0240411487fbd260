use crate::{
    diagnostics::Kind,
    limits::LANES_MAX,
    testing::{Dir, queue},
};

fn dir(lanes: &str) -> Dir {
    Dir::tenant(&queue(lanes))
}

fn lane(lines: &str) -> String {
    format!("[[queue.lane]]\n{lines}\n")
}

#[test]
fn lanes_arrive_in_their_order_with_their_weights() {
    let lanes = lane("name = \"general\"") + &lane("name = \"members\"\nweight = 4");
    let queue = dir(&lanes).only_queue();
    let lanes: Vec<_> = queue.lanes.iter().map(|lane| (lane.name.as_str(), lane.weight.get())).collect();
    assert_eq!(lanes, [("general", 1), ("members", 4)]);
    assert!(dir("").only_queue().lanes.is_empty());
}

#[test]
fn a_name_is_needed_and_is_one_lanes() {
    dir("«[[queue.lane]]»\nweight = 2\n").is_wrong(Kind::Missing, "`name` is missing", "name = \"members\"");
    let twice = lane("name = \"a\"") + &lane("name = «\"a\"»");
    dir(&twice).is_wrong(Kind::Duplicate, "lane name", "keep one of the two");
}

#[test]
fn weights_and_the_number_of_lanes_are_bounded() {
    for weight in ["0", "101"] {
        dir(&lane(&format!("name = \"a\"\nweight = «{weight}»"))).is_wrong(Kind::OutOfRange, "weight", "1 to 100");
    }
    let lanes = ["{}"; LANES_MAX + 1].join(", ");
    dir(&format!("lane = «[{lanes}]»\n")).is_wrong(Kind::OutOfRange, "lane", "8");
}

"""Runs through the editor's server: messages and their order, errors, interruption."""

import os
import re
import struct
import subprocess
import sys

import pytest

pytest.importorskip("aiohttp", reason="the editor's server needs the extra `edit`")
pytest.importorskip("comfyui_frontend_package", reason="the editor is not installed: extra `edit`")

from editing import PACK, PICTURE, Server, Tab, node, training, until

NODES = """
from artgraph.contract.context import Context
from artgraph.contract.spec import node
from artgraph.contract.values.kinds import Number

@node(title="Doubtful", category="test")
def doubtful(*, ctx: Context) -> Number:
    '''Warn of the result.'''
    ctx.warn("this may be wrong")
    return 1

@node(title="Talking", category="test")
def talking(*, seed: int = 0) -> Number:
    '''Print a line.'''
    print("hello from a node", flush=True)
    return seed
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("editor")
    (folder / "more.py").write_text(NODES)
    with Server(folder, "--pack", "more.py") as server:
        yield server


def test_a_run_says_how_far_it_is_and_how_long_the_rest_takes(server):
    steps = {"5": node("slow_training", "timed", steps=30, pause=0.1, seed=11)}
    graph = steps | {"6": node("save_table", "out", table=("5", 0))}
    with Tab(server, "timed") as tab:
        prompt_id = server.run(graph, "timed").json()["prompt_id"]
        until(lambda: any(m["rest"] and "left" in m["line"] for m in tab.of("artgraph.progress")))
        with Tab(server, "timed") as reloaded:
            assert reloaded.wait("artgraph.progress")["line"].startswith("step ")
        server.post("/interrupt", {"prompt_id": prompt_id})
        reached = tab.wait("execution_interrupted")["reached"]
    assert re.fullmatch(r"step \d+ of 30", reached)
    shares = [message["share"] for message in tab.of("artgraph.progress")]
    assert shares == sorted(shares)
    assert shares[-1] > 0.1
    texts = [text["raw"] for text in tab.of("progress_text")]
    assert any(re.search(rb"step \d+ of 30 \xc2\xb7 \d+ s left", text) for text in texts)
    server.finished(server.run(graph, "again").json()["prompt_id"])
    longer = graph | {"5": node("slow_training", "timed", steps=40, pause=0.1, seed=11)}
    with Tab(server, "longer") as tab:
        prompt_id = server.run(longer, "longer").json()["prompt_id"]
        first = tab.wait("artgraph.progress")
        server.finished(prompt_id)
    assert re.fullmatch("about .* left", first["rest"]), "known from the run before"


def test_the_messages_of_a_run_are_in_order(server):
    with Tab(server, "order") as tab:
        answer = server.run(PICTURE, "order").json()
        assert set(answer) == {"prompt_id", "number", "node_errors"}
        tab.wait("execution_success")
        until(lambda: tab.of("status")[-1]["status"]["exec_info"]["queue_remaining"] == 0)
    how_far = ("progress", "progress_state", "artgraph.progress")
    kinds = [kind for kind in tab.kinds() if kind not in how_far]
    assert kinds[:3] == ["status", "feature_flags", "status"]
    start = kinds.index("execution_start")
    assert kinds[start : start + 3] == ["execution_start", "status", "execution_cached"]
    assert sorted(kinds[start + 3 : -3]) == ["executed"] * 3 + ["executing"] * 3
    assert kinds[-3:] == ["execution_success", "executing", "status"]
    for name in "127":  # nodes that don't need each other may run at the same time
        of_node = [kind for kind, data in tab.messages if data.get("node") == name]
        assert (of_node[0], of_node[-1]) == ("executing", "executed")
    assert tab.of("execution_cached")[0]["nodes"] == []
    assert {data["node"] for data in tab.of("executed")} == {"1", "2", "7"}
    assert tab.of("executing")[-1]["node"] is None
    states = [data["nodes"] for data in tab.of("progress_state")]
    state = next(nodes["1"] for nodes in states if "1" in nodes)
    assert set(state) >= {"value", "max", "state", "node_id", "display_node_id", "real_node_id"}
    outputs = {data["node"]: data["output"] for data in tab.of("executed")}
    assert outputs["1"] == {}
    assert outputs["7"] == {"text": ["4"]}
    pictures = outputs["2"]["images"]
    assert [picture["filename"] for picture in pictures] == ["sheet_0001.png", "sheet_0002.png"]
    for message in tab.of("executed") + tab.of("executing") + tab.of("progress_state"):
        assert message["prompt_id"] == answer["prompt_id"]

    query = "&".join(f"{name}={value}" for name, value in pictures[0].items())
    picture = server.get(f"/view?{query}")
    assert picture.headers["Content-Type"] == "image/png"
    assert b"artgraph: 1" in picture.body  # the picture contains its graph
    small = server.get(f"/view?{query}&preview=webp;90")
    assert small.headers["Content-Type"] == "image/webp"


def test_names_with_folders_and_pictures_of_earlier_runs(server):
    def saved(level):
        prompt = {
            "1": node("grey", "paper", level=level, count=1),
            "2": node("save_image", "a", image=("1", 0), name="one/same", format="png", quality=92),
            "3": node("save_image", "b", image=("1", 0), name="two/same", format="png", quality=92),
        }
        job = server.finished(server.run(prompt).json()["prompt_id"])
        (one,), (two,) = (job["outputs"][number]["images"] for number in "23")
        assert one["subfolder"].endswith("/one")
        assert two["subfolder"].endswith("/two")
        return ["&".join(f"{name}={value}" for name, value in f.items()) for f in (one, two)]

    first = saved(0.25)
    before = [server.get(f"/view?{query}").body for query in first]
    second = saved(0.75)
    assert [server.get(f"/view?{query}").body for query in first] == before
    assert server.get(f"/view?{second[0]}").body not in before
    out = server.folder / "out/untitled"
    assert (out / "one/same.png").read_bytes() == server.get(f"/view?{second[0]}").body
    earlier = [path.read_bytes() for path in out.glob("earlier/*/two/same.png")]
    assert earlier == [before[1]]
    climb = second[0].replace("same.png", "../../../../editor.sqlite")
    assert server.get(f"/view?{climb}").status == 403


def test_a_warning_is_shown_on_its_node(server):
    with Tab(server, "doubts") as tab:
        server.run({"3": node("doubtful")}, "doubts")
        tab.wait("execution_success")
    assert any(b"this may be wrong" in text["raw"] for text in tab.of("progress_text"))
    output = {"artgraph_warnings": ["this may be wrong"], "text": ["1"]}
    assert tab.of("executed")[0]["output"] == output


def test_a_second_run_is_all_reused(server):
    server.finished(server.run(PICTURE).json()["prompt_id"])
    with Tab(server, "again") as tab:
        server.run(PICTURE, "again")
        tab.wait("execution_success")
    assert set(tab.of("execution_cached")[0]["nodes"]) == {"1", "2", "7"}
    assert {data["node"] for data in tab.of("executed")} == {"1", "2", "7"}
    assert not tab.of("progress_state")


def test_history_and_jobs_contain_the_outputs(server):
    first = server.run(PICTURE).json()["prompt_id"]
    job = server.finished(first)
    assert job["status"] == "completed"
    assert job["outputs"]["2"]["images"][0]["subfolder"] == first
    assert job["workflow"]["prompt"] == PICTURE
    assert job["preview_output"]["nodeId"] == "2"
    assert job["execution_start_time"] <= job["execution_end_time"]
    entry = server.get(f"/history/{first}").json()[first]
    assert entry["status"] == {"status_str": "success", "completed": True, "messages": []}
    listed = server.get("/api/jobs?status=completed&limit=1&offset=0").json()
    assert listed["pagination"]["has_more"] == (listed["pagination"]["total"] > 1)
    assert [job["id"] for job in listed["jobs"]] == [first]
    server.post("/history", {"delete": [first]})
    assert server.get(f"/jobs/{first}").status == 404
    assert not (server.folder / ".artgraph" / "jobs" / first).exists()


def test_only_the_chosen_nodes_run(server):
    with Tab(server, "partly") as tab:
        answer = server.run(PICTURE, "partly", partial_execution_targets=["7"])
        tab.wait("execution_success")
        assert answer.status == 200
    assert {data["node"] for data in tab.of("executed")} == {"7"}


@pytest.mark.parametrize(
    ("prompt", "node_id", "kind", "words"),
    [
        ({}, None, "prompt_no_outputs", "empty"),
        ({"1": node("nonsense")}, "1", "missing_node_type", "nonsense"),
        ({"1": node("mean")}, "1", "required_input_missing", "not wired"),
        ({"1": node("mean", image=("9", 0))}, "1", None, "does not exist"),
        ({"1": node("grey", level=2.0)}, "1", "value_bigger_than_max", "too large"),
        ({"1": node("grey", level=-1.0)}, "1", "value_smaller_than_min", "too small"),
        ({"1": node("math", op="root")}, "1", "value_not_in_list", "one of the choices"),
        ({"1": node("grey", level="dark")}, "1", None, "not a number"),
        (
            {"1": node("noted"), "2": node("mean", image=("1", 0))},
            "2",
            "return_type_mismatch",
            "takes an image",
        ),
        (
            {"1": node("blacken", image=("2", 0)), "2": node("blacken", image=("1", 0))},
            "1",
            "dependency_cycle",
            "loop",
        ),
    ],
)
def test_a_refused_graph_says_why_on_its_node(server, prompt, node_id, kind, words):
    answer = server.run(prompt)
    assert answer.status == 400
    refusal = answer.json()
    assert set(refusal["error"]) == {"type", "message", "details", "extra_info"}
    if node_id is None:
        assert refusal["error"]["type"] == kind
        assert words in refusal["error"]["message"]
        return
    if kind == "dependency_cycle":
        node_id = next(iter(refusal["node_errors"]))  # any node of the loop
    (error,) = refusal["node_errors"][node_id]["errors"]
    assert set(error) == {"type", "message", "details", "extra_info"}
    assert kind in (None, error["type"])
    assert words in error["message"]
    assert "under `from`" not in error["details"]


def test_the_valid_branches_of_a_graph_run(server):
    answer = server.run(PICTURE | {"3": node("mean")}).json()
    assert list(answer["node_errors"]) == ["3"]
    job = server.finished(answer["prompt_id"])
    assert job["status"] == "completed"
    assert set(job["outputs"]) == {"1", "2", "7"}


def test_a_failed_node_is_reported_and_the_others_run(server):
    prompt = PICTURE | {"8": node("failing", "broken"), "9": node("noted", "after", value=("8", 0))}
    with Tab(server, "failing") as tab:
        prompt_id = server.run(prompt, "failing").json()["prompt_id"]
        error = tab.wait("execution_error")
    assert (error["node_id"], error["node_type"]) == ("8", "failing")
    assert error["exception_message"] == "It is broken\nRepair it"
    assert {data["node"] for data in tab.of("executed")} == {"1", "2", "7"}
    failed = {data["node_id"]: data["because"] for data in tab.of("artgraph.failed")}
    assert failed == {"8": None, "9": "8"}
    assert server.finished(prompt_id)["execution_error"]["node_id"] == "8"


def test_previews_curves_and_an_interrupted_training_that_is_resumed(server):
    with Tab(server, "train") as tab:
        prompt = training(150, 0.02)
        prompt_id = server.run(prompt, "train").json()["prompt_id"]
        preview = tab.wait("preview")
        assert preview["node_id"] == "5"
        assert preview["picture"].startswith(b"\x89PNG")
        tab.wait("progress", 3)
        server.post("/interrupt", {"prompt_id": prompt_id})
        tab.wait("execution_interrupted", seconds=5)
        assert server.finished(prompt_id)["status"] == "cancelled"
        done = tab.of("progress")[-1]["value"]
        again = server.run(prompt, "train").json()["prompt_id"]
        tab.wait("execution_success")
    texts = [text["raw"] for text in tab.of("progress_text")]
    (text,) = [text for text in texts if b"resumed" in text]
    (length,) = struct.unpack(">I", text[4:8])
    assert text[8 : 8 + length].decode() == again
    (step,) = re.findall(rb"resumed from step (\d+)", text)
    assert done <= int(step) < 150
    for picture in tab.of("executed")[-1]["output"]["images"]:  # the last samples, the curves
        query = f"filename={picture['filename']}&subfolder={again}&type=temp"
        assert server.get(f"/view?{query}").status == 200


def test_each_tab_sees_its_own_run_and_a_reloaded_one_what_it_missed(server):
    with Tab(server, "mine") as mine, Tab(server, "other") as other:
        prompt = PICTURE | training(
            300,
            0.01,
        )
        prompt_id = server.run(prompt, "mine").json()["prompt_id"]
        mine.wait("progress")
        with Tab(server, "mine") as reloaded:
            reloaded.wait("execution_start")
            assert reloaded.wait("progress_state")["prompt_id"] == prompt_id
            assert set(reloaded.of("executed")[0]) == {
                "prompt_id",
                "node",
                "display_node",
                "output",
            }
        server.post(f"/jobs/{prompt_id}/cancel")
        mine.wait("execution_interrupted")
    assert set(other.kinds()) == {"status", "feature_flags"}


def test_waiting_runs_can_be_removed_from_the_queue(server):
    first = server.run(
        training(
            500,
            0.01,
        )
    ).json()["prompt_id"]
    waiting = [server.run(PICTURE).json()["prompt_id"] for _ in range(3)]
    queue = server.get("/queue").json()
    assert [entry[1] for entry in reversed(queue["queue_pending"])] == waiting
    assert server.post("/jobs/cancel", {"job_ids": waiting[:1]}).json() == {"cancelled": True}
    server.post("/queue", {"delete": waiting[1:2]})
    server.post("/queue", {"clear": True})
    for prompt_id in waiting:
        assert server.finished(prompt_id)["status"] == "cancelled"
    server.post("/interrupt", {})
    assert server.finished(first)["status"] == "cancelled"


def test_the_console_says_what_each_node_does_and_prints(server):
    def follow(client, enabled):
        body = {"clientId": client, "enabled": enabled}
        assert server.ask("PATCH", "/internal/logs/subscribe", body).status == 200

    with Tab(server, "reader") as tab, Tab(server, "other") as other:
        follow("reader", True)
        follow("nobody", True)
        talking = {"1": node("talking", "talk", seed=1), "2": node("talking", "more", seed=2)}
        talking["3"] = node("save_table", "list", table=("4", 0))
        talking["4"] = node("slow_training", "walk", steps=1, seed=8)
        server.finished(server.run(talking).json()["prompt_id"])
        lines = until(lambda: (said := _lines(tab)) and "untitled.yaml: done in" in said and said)
        for line in ("hello from a node\n", "talk: started\n", "talk: done in 0.", "walk: started"):
            assert line in lines
        assert re.search(r"list: done in [0-9.]+ s, saved to out/untitled/list.csv\n", lines)
        follow("reader", False)
        count = len(tab.of("logs"))
        server.finished(server.run(talking).json()["prompt_id"])
    assert len(tab.of("logs")) == count
    assert other.of("logs") == []
    said = [entry["m"] for entry in server.get("/internal/logs/raw").json()["entries"]]
    assert said.count("hello from a node\n") == 2
    assert "list: reused, saved to out/untitled/list.csv\n" in said


def _lines(tab):
    return "".join(entry["m"] for message in tab.of("logs") for entry in message["entries"])


def test_the_command_line_reuses_results_of_the_editor(server):
    server.finished(server.run(PICTURE).json()["prompt_id"])
    manifest = server.folder / "out" / "untitled" / "manifest.json"
    graph = manifest.parent / "sheet_0001.png"
    packs = ("--pack", str(PACK), "--pack", "more.py")
    done = subprocess.run(
        [sys.executable, "-m", "artgraph", "run", graph, *packs, "--json"],
        cwd=server.folder,
        env=os.environ | {"ARTGRAPH_CACHE": str(server.folder / "cache")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert '"ran":0,"cached":3' in done.stdout, done.stdout + done.stderr


def test_a_film_is_played_on_its_node(server):
    pytest.importorskip("av", reason="films need the extra `film`")
    film = node("save_video", "film", image=("1", 0), name="", format="webm", fps=24.0)
    with Tab(server, "films") as tab:
        server.run({"1": PICTURE["1"], "2": film}, "films")
        tab.wait("execution_success")
    output = next(m["output"] for m in tab.of("executed") if "images" in m["output"])
    assert output["animated"] == [True]
    (place,) = output["images"]
    answer = server.get("/view?" + "&".join(f"{key}={value}" for key, value in place.items()))
    assert (answer.status, answer.headers["Content-Type"]) == (200, "video/webm")
    assert answer.body.startswith(b"\x1aE\xdf\xa3")
    assert "Content-Disposition" not in answer.headers

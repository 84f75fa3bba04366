"""Runs this repository as ComfyUI runs a node pack, without ComfyUI.

    python comfy_stand_in.py v1|v3 PACK FOLDER

It is a separate program because it replaces ComfyUI's modules. It writes those that the pack uses,
with only the functions that the pack uses, into FOLDER. Then it loads the pack under a name that
is a path, while another module called `nodes` exists, as in ComfyUI. It reads one task per line
from its standard input, and prints one line of JSON for each: first a description of all nodes.
"""

import asyncio
import importlib.util
import json
import os
import random
import sys
from pathlib import Path
from types import SimpleNamespace

COMMON = {
    "nodes.py": (
        "class Saves:\n    OUTPUT_NODE = True\n"
        "NODE_CLASS_MAPPINGS = {'Saves': Saves}  # ComfyUI has a module of this name\n"
    ),
    "comfyui_version.py": "__version__ = '0.0.0'\n",
    "comfy/__init__.py": "",
    "comfy/cli_args.py": "class args:\n    disable_metadata = False\n",
    "comfy/model_management.py": (
        "class InterruptProcessingException(BaseException):\n    pass\n"
        "stop_after = -1\n"
        "def throw_exception_if_processing_interrupted():\n"
        "    global stop_after\n"
        "    stop_after -= 1\n"
        "    if stop_after == 0:\n"
        "        raise InterruptProcessingException()\n"
        "device = 'cpu'\n"
        "def get_torch_device():\n"
        "    import torch\n"
        "    return torch.device(device)\n"
        "unloaded = 0\n"
        "def unload_all_models():\n"
        "    global unloaded\n"
        "    unloaded += 1\n"
    ),
    "comfy/utils.py": (
        "calls = []\n"
        "class ProgressBar:\n"
        "    def __init__(self, total):\n        pass\n"
        "    def update_absolute(self, value, total=None, preview=None):\n"
        "        calls.append([value, total])\n"
    ),
    "comfy_execution/__init__.py": "",
    "comfy_execution/utils.py": (
        "from types import SimpleNamespace\n"
        "running = SimpleNamespace(node_id=None)\n"
        "def get_executing_context():\n    return running\n"
    ),
    "server.py": (
        "class PromptServer:\n"
        "    client_id = 'page'\n"
        "    messages = []\n"
        "    def add_on_prompt_handler(self, handler):\n        pass\n"
        "    def send_sync(self, kind, data, client):\n"
        "        self.messages.append([kind, data])\n"
        "PromptServer.instance = PromptServer()\n"
    ),
    "folder_paths.py": (
        "import os\n"
        "here = os.path.dirname(__file__)\n"
        "models_dir = os.path.join(here, 'models')\n"
        "names = ('custom_nodes', 'models/vae', 'models/vae_approx')\n"
        "folder_names_and_paths = {os.path.basename(n): ([os.path.join(here, n)], set())"
        " for n in names}\n"
        "if os.path.isdir(os.path.join(here, 'elsewhere')):  # as if the user named it\n"
        "    folder_names_and_paths['artgraph'] = ([os.path.join(here, 'elsewhere')], set())\n"
        "def get_input_directory():\n    return os.path.join(here, 'input')\n"
        "def get_output_directory():\n    return os.path.join(here, 'output')\n"
        "def get_directory_by_type(name):\n    return os.path.join(here, name)\n"
        "def get_temp_directory():\n    return os.path.join(here, 'temp')\n"
        "def get_folder_paths(name):\n    return folder_names_and_paths[name][0][:]\n"
    ),
}
V3 = {
    "comfy_api/__init__.py": "",
    "comfy_api/latest/__init__.py": """
from dataclasses import dataclass, field
from types import SimpleNamespace

class Port:
    def __init__(
        self, id=None, optional=False, tooltip=None, display_name=None, default=None, options=None,
        min=None, max=None, step=None, round=None, control_after_generate=None, multiline=None,
        placeholder=None, advanced=None
    ):
        given = dict(locals())
        self.id, self.optional, self.extra_dict = id, optional, {}
        known = {name: given[name] for name in given if name not in ("self", "id", "optional")}
        self.options = {name: value for name, value in known.items() if value is not None}

def kind(name):
    members = {"Input": type("Input", (Port,), {"type": name})}
    return type(name, (), members | {"Output": type("Output", (Port,), {"type": name})})

@dataclass
class Schema:
    node_id: str
    display_name: str
    category: str
    description: str = ""
    is_output_node: bool = False
    inputs: list = field(default_factory=list)
    outputs: list = field(default_factory=list)
    hidden: list = field(default_factory=list)

class ComfyNode:
    hidden = SimpleNamespace(prompt=None, extra_pnginfo=None, unique_id=None)

class NodeOutput:
    def __init__(self, *values, ui=None):
        self.result, self.ui = values, ui

providers = []

class Caching:
    class CacheProvider:
        pass

    class CacheValue:
        def __init__(self, outputs, ui=None):
            self.outputs, self.ui = outputs, ui

    async def register_provider(self, provider):
        providers.append(provider)

class ComfyAPI:
    Caching = Caching

    def __init__(self):
        self.caching = Caching()

class ComfyExtension:
    async def on_load(self):
        pass

io = SimpleNamespace(
    Custom=kind, Int=kind("INT"), Float=kind("FLOAT"), Boolean=kind("BOOLEAN"),
    String=kind("STRING"), Combo=kind("COMBO"), Schema=Schema, ComfyNode=ComfyNode,
    NodeOutput=NodeOutput,
    Hidden=SimpleNamespace(prompt="prompt", extra_pnginfo="extra_pnginfo", unique_id="unique_id"),
)
""",
}


class Host:
    """Loads the pack as ComfyUI's `load_custom_node` does, and runs the nodes of prompts."""

    def __init__(self, pack):
        name = str(pack).replace(".", "_x_")
        spec = importlib.util.spec_from_file_location(name, Path(pack) / "__init__.py")
        self.module = sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(self.module)
        self.is_v1 = getattr(self.module, "NODE_CLASS_MAPPINGS", None) is not None
        self.classes = (
            dict(self.module.NODE_CLASS_MAPPINGS) if self.is_v1 else asyncio.run(self.v3())
        )
        self.outputs = {}

    async def v3(self):
        extension = await self.module.comfy_entrypoint()
        await extension.on_load()
        classes = await extension.get_node_list()
        return {cls.define_schema().node_id: cls for cls in classes}

    def describe(self):
        if not self.is_v1:
            schemas = [cls.define_schema() for cls in self.classes.values()]
            return {
                s.node_id: {
                    "inputs": {i.id: [i.type, i.optional, i.options["tooltip"]] for i in s.inputs},
                    "outputs": [
                        [o.type, o.options["display_name"], o.options["tooltip"]] for o in s.outputs
                    ],
                    "facts": [s.display_name, s.category, s.description, s.is_output_node],
                }
                for s in schemas
            }
        described = {}
        for name, cls in self.classes.items():
            types = cls.INPUT_TYPES()
            inputs = {
                key: [kind, group == "optional", options["tooltip"]]
                for group in ("required", "optional")
                for key, (kind, options) in types[group].items()
            }
            outputs = zip(cls.RETURN_TYPES, cls.RETURN_NAMES, cls.OUTPUT_TOOLTIPS, strict=True)
            title = self.module.NODE_DISPLAY_NAME_MAPPINGS[name]
            facts = [title, cls.CATEGORY, cls.DESCRIPTION, cls.OUTPUT_NODE]
            described[name] = {
                "inputs": inputs,
                "outputs": list(map(list, outputs)),
                "facts": facts,
            }
        return described

    def run(self, prompt):
        """Run a prompt as ComfyUI does. Returns the saved files, and what each node shows.

        A node is skipped if the last run of this node had the same inputs and fingerprint.
        """
        import comfy_execution.utils
        import torch

        files, shown = [], {}
        with torch.inference_mode():
            for number, node in prompt.items():  # each node comes after its sources
                cls = self.classes[node["class_type"]]
                linked = {k: tuple(v) for k, v in node["inputs"].items() if isinstance(v, list)}
                plain = {k: v for k, v in node["inputs"].items() if k not in linked}
                known = plain | dict.fromkeys(linked)  # ComfyUI passes None for linked inputs
                (cls.VALIDATE_INPUTS if self.is_v1 else cls.validate_inputs)(**known)
                fingerprint = (cls.IS_CHANGED if self.is_v1 else cls.fingerprint_inputs)(**known)
                values = {k: self.outputs[source][1][slot] for k, (source, slot) in linked.items()}
                sources = {
                    k: (self.outputs[source][0], slot) for k, (source, slot) in linked.items()
                }
                parts = [node["class_type"], plain, sources, fingerprint]
                signature = json.dumps(parts, default=list)
                if number in self.outputs and self.outputs[number][0] == signature:
                    continue
                hidden = {"prompt": prompt, "extra_pnginfo": {}, "unique_id": number}
                comfy_execution.utils.running.node_id = number
                result, ui = self.execute(cls, plain | values, hidden)
                self.outputs[number] = (signature, result)
                shown[number] = ui or {}
                images = shown[number].get("images", [])
                files += [file for file in images if file["type"] == "output"]
        return {"files": files, "shown": shown}

    def cache(self, class_type, with_ui):
        """Store a value in the pack's cache provider; returns what is found before and after."""
        import torch
        from comfy_api.latest import Caching, providers

        (provider,) = providers
        context = SimpleNamespace(node_id="1", class_type=class_type, cache_key_hash="00")
        outputs = [[{"samples": torch.arange(3.0), "n": (1, None)}], ["text"]]
        value = Caching.CacheValue(outputs, {"images": []} if with_ui else None)
        provider.on_prompt_start("a prompt")
        before = asyncio.run(provider.on_lookup(context))
        if provider.should_cache(context, value):
            asyncio.run(provider.on_store(context, value))
        after = asyncio.run(provider.on_lookup(context))
        return [part and str(part.outputs) for part in (before, after)]

    def execute(self, cls, inputs, hidden):
        """Run one node; returns its outputs and what the editor shows on it."""
        if self.is_v1:
            names = cls.INPUT_TYPES().get("hidden", {})
            output = cls().run(**inputs, **{name: hidden[name] for name in names})
            return output["result"], output["ui"]
        for name in cls.define_schema().hidden:
            setattr(cls.hidden, name, hidden[name])
        output = cls.execute(**inputs)
        return output.result, output.ui


def main(form, pack, folder):
    if hasattr(os, "sched_setaffinity"):  # one core is faster if other tests run at the same time
        os.sched_setaffinity(0, [random.choice(sorted(os.sched_getaffinity(0)))])
    for name, text in (COMMON | (V3 if form == "v3" else {})).items():
        path = Path(folder) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            path.write_text(text)
    sys.path.insert(0, str(folder))
    import comfy.model_management
    import comfy.utils
    import server

    import nodes

    host = Host(pack)
    assert nodes.NODE_CLASS_MAPPINGS
    assert host.is_v1 == (form == "v1")
    answer = {"classes": host.describe(), "torch": "torch" in sys.modules}
    print(json.dumps(answer), flush=True)
    for line in sys.stdin:
        task = json.loads(line)
        comfy.model_management.stop_after = task.get("stop_after", -1)
        comfy.utils.calls.clear()
        server.PromptServer.messages.clear()
        if "cache" in task:
            print(json.dumps(host.cache(*task["cache"])), flush=True)
            continue
        try:
            answer = host.run(task["prompt"])
        except BaseException as error:
            answer = {"error": str(error), "type": type(error).__name__}
        told = {"progress": comfy.utils.calls, "messages": server.PromptServer.messages}
        print(json.dumps(answer | told), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])

"""A node is one function with type annotations; all else is read from its signature (signature.py).

    @node(title="Blend", category="image", version=1)
    def blend(
        first: Image,                                 # before the star: an input, to be wired
        second: Image | None = None,                  # with None: an optional input
        *,
        amount: Annotated[float, Field(ge=0, le=1, description="0 is first")] = 0.5,  # a widget
        ctx: Context,                                 # passed if the function has it
    ) -> Image:                                       # a NamedTuple names several outputs
        \"\"\"Blend two batches of pictures. The first sentence is the tooltip.\"\"\"

The signature defines how a graph is checked, the YAML schema, the help of the command line and the
forms of the editors. A node never changes its inputs. It is deterministic: random numbers come only
from `ctx.rng` and a seed. It does not write files; to save something, it returns `Files`. The
function can still be called like any other.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError, create_model

from .cells import cells_problem
from .context import Context
from .errors import NodeError
from .package import Package
from .parameter import Widget
from .problem import Problem
from .signature import Port, read_outputs, read_parameters
from .spelling import other_spelling
from .values.alpha import WHITE, flat, flattened_line, has_alpha
from .values.files import stem_problem
from .values.whole import unread, whole
from .wording import problem_of

Function = TypeVar("Function", bound=Callable[..., Any])
Surroundings = Callable[[], Mapping[str, str]]


@dataclass(frozen=True)
class NodeSpec:
    """A node: its function, and what can be read from its signature."""

    id: str
    title: str
    category: str
    version: int
    function: Callable[..., Any]
    device: bool
    needs: Package | None = None
    training_version: int | None = None
    words: tuple[str, ...] = ()
    shows: bool = False
    surroundings: Surroundings | None = None
    cpus: float | None = None
    gpus: float | None = None
    memory: int | None = None

    @cached_property
    def doc(self) -> str:
        """The docstring without indentation."""
        return inspect.cleandoc(self.function.__doc__ or "")

    @property
    def search_words(self) -> list[str]:
        """All words by which the node is found, besides its title, in both spellings."""
        ports = [*self.inputs.values(), *self.outputs.values()]
        kinds = {socket.name for port in ports for socket in port.sockets}
        models = [name for name in ("gan", "vae", "classifier") if name in kinds]
        words = [self.id, self.id.replace("_", " "), *self.words, *models]
        return list(dict.fromkeys([*words, *map(other_spelling, words)]))

    @property
    def summary(self) -> str:
        """The first sentence of the docstring."""
        first = self.doc.split("\n\n")[0].replace("\n", " ")
        return first.split(". ")[0].rstrip(".") + "." if first else ""

    @cached_property
    def _signature(self) -> tuple[dict[str, Port], dict[str, Widget], str | None]:
        """Inputs, widgets, and the name of the parameter for the context."""
        return read_parameters(self.id, self.function)

    @property
    def inputs(self) -> dict[str, Port]:
        """Inputs by name."""
        return self._signature[0]

    @property
    def widgets(self) -> dict[str, Widget]:
        """Widgets by name."""
        return self._signature[1]

    @property
    def context(self) -> str | None:
        """Name of the parameter that receives the context, if there is one."""
        return self._signature[2]

    @cached_property
    def outputs(self) -> dict[str, Port]:
        """Outputs by name."""
        return read_outputs(self.id, self.function)

    @cached_property
    def main_output(self) -> str | None:
        """Name of the output that a wire without an output's name means, if there is one."""
        names = [name for name, port in self.outputs.items() if not port.is_aside]
        return names[0] if len(names) == 1 else None

    @cached_property
    def saves(self) -> bool:
        """Whether the node returns files for the output folder."""
        return any(s.name == "files" for port in self.outputs.values() for s in port.sockets)

    @cached_property
    def length(self) -> str | None:
        """Name of the widget that sets the length of the training, if the node trains."""
        return next((w.name for w in self.widgets.values() if w.is_length), None)

    @cached_property
    def devices(self) -> str | None:
        """Name of the widget that sets on how many devices the node trains, if there is one."""
        return next((w.name for w in self.widgets.values() if w.is_devices), None)

    @cached_property
    def neutral(self) -> dict[str, Any]:
        """By widget: the value with which the key is the same as without the widget."""
        return {w.name: w.neutral.value for w in self.widgets.values() if w.neutral}

    @cached_property
    def file_name(self) -> str | None:
        """Name of the widget that names the saved file, if there is one."""
        return next((w.name for w in self.widgets.values() if w.is_file_name), None)

    @cached_property
    def fallbacks(self) -> tuple[str, ...]:
        """Names of the inputs that are used only if no file or folder is given."""
        return tuple(port.name for port in self.inputs.values() if port.is_fallback)

    @cached_property
    def model(self) -> type[BaseModel]:
        """A strict pydantic model of the values of all widgets; paths are strings in it."""
        fields: dict[str, Any] = {}
        for widget in self.widgets.values():
            annotation = str if widget.is_path else widget.annotation
            if widget.nullable:
                annotation = annotation | None
            fields[widget.name] = (annotation, ... if widget.required else widget.default)
        config = ConfigDict(strict=True, extra="forbid", validate_default=True, allow_inf_nan=False)
        return create_model(self.id, __config__=config, **fields)

    @cached_property
    def _validate(self) -> Callable[[Any], BaseModel]:
        """Twice as fast as `model.model_validate`, which looks this method up at each call."""
        return self.model.__pydantic_validator__.validate_python

    def missing_package(self, widgets: Mapping[str, Any]) -> Problem | None:
        """Returns a problem if the node needs a package that is not installed.

        A node that only returns its fallback, since no file is given, needs none.
        """
        is_idle = self.fallbacks and all(widgets.get(name) is None for name in self.paths)
        needs = self.needs
        if needs is None or is_idle or widgets.get(needs.instead) or not needs.is_missing:
            return None
        advice = f'run pip install "artgraph[{needs.extra}]"'
        if needs.instead:
            advice += f" for {needs.brings}; or set `{needs.instead}`"
        return Problem("other", None, f"{self.id} needs the package {needs.module}", advice)

    @cached_property
    def paths(self) -> frozenset[str]:
        """Names of the widgets that contain the path of a file or a folder."""
        return frozenset(w.name for w in self.widgets.values() if w.is_path)

    def check(self, values: Mapping[str, Any]) -> tuple[dict[str, Any], list[Problem]]:
        """Returns the widgets' values, completed with defaults, and the problems found in them.

        There is at most one problem for each widget; its `subject` is the name of the widget.
        A whole float becomes an int, and "" becomes None if the widget may be None. Nothing else
        is converted.
        """
        plain = {name: self._canonical(name, value) for name, value in values.items()}
        try:
            checked = dict(self._validate(plain).__dict__)
        except ValidationError as error:
            wrong: dict[str, Problem] = {}
            for found in error.errors(include_url=False):
                name = str(found["loc"][0])
                wrong[name] = problem_of(found, name, self.widgets.get(name))
            return plain, list(wrong.values())
        problems = [
            Problem("bad_value", name, *wrong_form)
            for name, test in self._tests.items()
            if checked[name] and (wrong_form := test(checked[name])) is not None
        ]
        return (plain, problems) if problems else (checked, [])

    @cached_property
    def _tests(self) -> dict[str, Callable[[str], tuple[str, str] | None]]:
        """By widget: what returns a problem of a text whose role demands a certain form."""
        cells = {w.name: cells_problem for w in self.widgets.values() if w.chosen_of}
        return cells | ({self.file_name: stem_problem} if self.file_name else {})

    def _canonical(self, name: str, value: Any) -> Any:
        if type(value) is int or name not in self.widgets:
            return value
        widget = self.widgets[name]
        if widget.converts_whole_floats and isinstance(value, float) and value.is_integer():
            return int(value)
        if widget.nullable and value == "":
            return None
        return value

    def __call__(
        self, inputs: Mapping[str, Any], widgets: Mapping[str, Any], ctx: Context
    ) -> dict[str, Any]:
        """Runs the function and returns its outputs by name.

        Pictures with alpha lose it if their input does not accept it.
        """
        missing = self.missing_package(widgets)
        if missing is not None:
            raise NodeError(missing.what, missing.advice)
        injected = {self.context: ctx} if self.context else {}
        accepted = self._accepted(inputs, widgets, ctx)
        result = self.function(**accepted, **widgets, **injected)
        for value in accepted.values():
            if line := unread(value):
                ctx.warn(line)
        if len(self.outputs) == 1 and not hasattr(result, "_fields"):
            return dict.fromkeys(self.outputs, result)
        return dict(zip(self.outputs, result, strict=True))

    def _accepted(
        self, inputs: Mapping[str, Any], widgets: Mapping[str, Any], ctx: Context
    ) -> dict[str, Any]:
        """Returns the inputs; those that do not accept alpha are put in front of a colour.

        The pictures of a dataset in shards are read unless the input accepts such a dataset.
        """
        inputs = {
            name: v if self.inputs[name].streams else whole(v, self.id, ctx)
            for name, v in inputs.items()
        }
        lost = [
            name for name, v in inputs.items() if has_alpha(v) and not self._accepts_alpha(name)
        ]
        if not lost:
            return dict(inputs)
        ground = next((widgets[w.name] for w in self.widgets.values() if w.is_background), WHITE)
        ctx.warn(flattened_line("` and `".join(lost), "the node", ground))
        return {**inputs, **{name: flat(inputs[name], ground) for name in lost}}

    def _accepts_alpha(self, name: str) -> bool:
        port = self.inputs[name]
        pictures = any(socket.name in ("image", "dataset") for socket in port.sockets)
        return port.alpha or not pictures


REGISTRY: dict[str, NodeSpec] = {}


def node(
    *,
    title: str,
    category: str,
    version: int = 1,
    device: bool = False,
    needs: Package | None = None,
    training_version: int | None = None,
    words: str = "",
    shows: bool = False,
    surroundings: Surroundings | None = None,
    cpus: float | None = None,
    gpus: float | None = None,
    memory: int | None = None,
) -> Callable[[Function], Function]:
    """Registers a function as a node; the name of the function is the id of the node.

    version: part of the cache key; raise it whenever the node computes something else.
    device:  whether the node computes on `ctx.device`. Its bits then depend on the device, the
             precision and the number of threads, and only one such node runs at a time.
    needs:   a package that the node needs and that an extra installs.
    training_version: the version since which the trainings of the node have been the same, step by
             step; None for `version`. Trainings that were stored since then can be continued.
    words:   what people search for when they need the node, with commas between; any language.
    shows:   whether an editor shows the pictures that the node returns.
    surroundings: returns what else the result depends on, by name, such as the processor or whether
             a package is installed. It is part of the cache key, and must be quick.
    cpus, gpus, memory: what the node needs of a machine of a cluster (`--executor ray`); memory is
             in bytes. None: one core, or one for each thread if it computes on the device; one GPU
             if it computes on GPUs; any memory. Runs on one machine do not use them.
    """

    def register(function: Function) -> Function:
        name = function.__name__
        other = REGISTRY.get(name)
        if other is not None and other.function.__module__ != function.__module__:
            raise ValueError(
                f"{function.__module__} defines the node {name!r}, which exists already in"
                f" {other.function.__module__} - rename one of them"
            )
        found = tuple(word for part in words.split(",") if (word := part.strip()))
        REGISTRY[name] = NodeSpec(
            name,
            title,
            category,
            version,
            function,
            device,
            needs,
            training_version,
            found,
            shows,
            surroundings,
            cpus,
            gpus,
            memory,
        )
        return function

    return register

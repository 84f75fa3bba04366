"""A machine with NVIDIA's GPUs for tests: the driver's libraries, compiled from C, and a torch.

artgraph loads them as it loads the real ones: the loader of the system finds the libraries by
LD_LIBRARY_PATH, and Python finds torch by PYTHONPATH. This torch fails when it is imported.
"""

import os
import subprocess

CUDA = r"""
#include <stdlib.h>
#include <stdio.h>
#include <string.h>

static struct { const char *name; int major, minor; size_t memory; } gpus[] = { %(gpus)s };
static const int count = sizeof gpus / sizeof *gpus;

int cuInit(unsigned flags) {
    const char *visible = getenv("CUDA_VISIBLE_DEVICES");
    return visible && !*visible ? 100 : %(broken)d;
}
int cuGetErrorString(int code, const char **text) { *text = "the driver is broken"; return 0; }
int cuDriverGetVersion(int *version) { *version = %(version)d; return 0; }
int cuDeviceGetCount(int *found) { *found = count; return 0; }
int cuDeviceGet(int *device, int number) { *device = number + 40; return number >= count; }
int cuDeviceGetName(char *name, int size, int device) {
    return snprintf(name, size, "%%s", gpus[device - 40].name) < 0;
}
int cuDeviceGetAttribute(int *value, int attribute, int device) {
    if (attribute != 75 && attribute != 76) return 1;
    *value = attribute == 75 ? gpus[device - 40].major : gpus[device - 40].minor;
    return 0;
}
int cuDeviceTotalMem_v2(size_t *bytes, int device) { *bytes = gpus[device - 40].memory; return 0; }
int cuDeviceGetPCIBusId(char *bus, int size, int device) {
    return snprintf(bus, size, "0000:%%02x:00.0", device) < 0;
}

int nvmlInit_v2(void) { return 0; }
int nvmlShutdown(void) { return 0; }
int nvmlDeviceGetHandleByPciBusId_v2(const char *bus, void **handle) {
    unsigned device;
    if (sscanf(bus, "0000:%%x:00.0", &device) != 1) return 2;
    *handle = &gpus[device - 40];
    return 0;
}
int nvmlDeviceGetMemoryInfo(void *handle, unsigned long long *memory) {
    size_t total = gpus[0].memory;
    memcpy(&total, (char *) handle + ((char *) &gpus[0].memory - (char *) &gpus[0]), sizeof total);
    memory[0] = total, memory[1] = total / 4, memory[2] = total - total / 4;
    return 0;
}
"""
GIB = 1 << 30
RTX_5090 = ("NVIDIA GeForce RTX 5090", 12, 0, 32 * GIB)
H100 = ("NVIDIA H100", 9, 0, 80 * GIB)
RTX_2080 = ("NVIDIA GeForce RTX 2080", 7, 5, 8 * GIB)
V100 = ("NVIDIA V100", 7, 0, 16 * GIB)
GTX_1080 = ("NVIDIA GeForce GTX 1080", 6, 1, 8 * GIB)


def machine(folder, *gpus, driver=(12, 8), torch="12.6", broken=0):
    """Returns the environment of a process on a machine with these GPUs.

    driver: the newest CUDA that the driver supports.
    torch:  the CUDA for which torch was built, or None.
    broken: the error of cuInit.
    """
    rows = ", ".join(f'{{"{name}", {major}, {minor}, {size}}}' for name, major, minor, size in gpus)
    source = CUDA % {"gpus": rows, "version": driver[0] * 1000 + driver[1] * 10, "broken": broken}
    for name in ("libcuda.so.1", "libnvidia-ml.so.1"):
        words = ["gcc", "-x", "c", "-shared", "-fPIC", "-o", folder / name, "-"]
        subprocess.run(words, input=source, text=True, check=True)
    package = folder / "packages" / "torch"
    package.mkdir(parents=True, exist_ok=True)
    (package / "__init__.py").write_text("raise SystemExit('torch was imported')\n")
    (package / "version.py").write_text(
        "from typing import Optional\n\n__all__ = ['__version__', 'cuda', 'hip']\n"
        f"__version__ = '2.8.0'\ncuda: Optional[str] = {torch!r}\nhip: Optional[str] = None\n"
    )
    paths = [str(package.parent), os.environ.get("PYTHONPATH", "")]
    return {
        "LD_LIBRARY_PATH": str(folder),
        "PYTHONPATH": os.pathsep.join(paths),
        "CUDA_VISIBLE_DEVICES": ",".join(map(str, range(len(gpus)))),
    }

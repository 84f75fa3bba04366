"""Executes a notebook, and prints each page that it shows, and what its last cell returns, as JSON.

python execute_notebook.py NOTEBOOK
"""

import json
import sys

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError


class Printing(NotebookClient):
    def process_message(self, msg, cell, cell_index):
        data = msg["content"].get("data", {})
        if "text/html" in data:
            print(json.dumps({"page": data["text/html"]}), flush=True)
        if msg["msg_type"] == "execute_result":
            print(json.dumps({"returned": data["text/plain"]}), flush=True)
        return super().process_message(msg, cell, cell_index)


try:
    Printing(nbformat.read(sys.argv[1], as_version=4), timeout=300).execute()
except CellExecutionError as error:
    print(json.dumps({"error": str(error)}))

"""Runs the two programs of docs/weights.md, as they stand there, on `exported/weights.safetensors`, which `senti_io::weights::export` wrote, and
keeps what they answer in `exported/answers.json`.

    python load.py torch && python load.py keras

Made with Python 3.11, torch 2.15.0, keras 3.15.1 on tensorflow-cpu 2.21.0, safetensors 0.8.0; the versions are in the answers.
"""

import json
import os
import re
import sys

import numpy
import safetensors

here = os.path.dirname(os.path.abspath(__file__))
framework = sys.argv[1]
page = open(os.path.join(here, "../../../../../docs/weights.md")).read()
(program,) = re.findall(rf"```python {framework}\n(.*?)```", page, re.S)
scope = {"FILE": os.path.join(here, "exported/weights.safetensors")}
exec(program, scope)

ours = json.load(open(os.path.join(here, "outputs.json")))["inputs"]
inputs = numpy.array(ours["values"], "float32").reshape(ours["shape"])
if framework == "torch":
    torch = scope["torch"]
    with torch.no_grad():
        answers = scope["predict"](torch.from_numpy(inputs)).numpy()
else:
    answers = scope["predict"](inputs, verbose=0)

path = os.path.join(here, "exported/answers.json")
document = json.load(open(path)) if os.path.exists(path) else {"versions": {}, "answers": {}}
document["versions"].update({framework: scope[framework].__version__, "numpy": numpy.__version__, "safetensors": safetensors.__version__})
document["answers"][framework] = {"shape": list(answers.shape), "values": [float(x) for x in answers.ravel()]}
with open(path, "w") as file:
    json.dump(document, file, indent=0)
    file.write("\n")
print(framework, answers.shape, document["versions"])

"""What the notebooks and exercises call: output that reads everywhere, predictions, the build.

    notebooks/src/NN_name.py   percent.py ──> cells
                               execute.py ──> cells with outputs
    notebooks/NN_name.ipynb <─ normalise.py, build.py

    notebooks/NN_name.ipynb ──> book/: pages that need no server

Inside a notebook's cells: `show` and `picture` (show.py), `ask`, `predict` and `compare`
(predict.py); the predictions are in the terminal too (predictions.py). Outside of them:
`python -m minitornado.classroom.build`, and `python -m minitornado.classroom.browser` for a real
JupyterLab.
"""

import os

# On Lambda, AWS is called without it: no part of the layer needs it, but some tool of this environment does.
os.environ["BOTO_DISABLE_CRT"] = "true"

"""The main job, from nothing: a platform's outage goes in, signed operational webhooks come out."""

"""Runs the plugin in a fake editor on any Python from 3.7 on.

Usage: driver.py PLUGIN PROJECT VERSION [COMMAND LINE]. Reads orders from standard input and writes what
happens to standard output, each a JSON list on a line.
"""

import gc
import json
import queue
import sys
import threading
import time

import fake_unreal

TICK_S = 0.005


def main():
    plugin, fake_unreal.project, fake_unreal.version = sys.argv[1:4]
    fake_unreal.command_line = " ".join(each for each in sys.argv[4:] if each != "--browser")
    if "--browser" not in sys.argv:
        del fake_unreal.SystemLibrary.launch_url
    sys.modules["unreal"] = fake_unreal
    sys.path.insert(0, plugin)
    with open(plugin + "/init_unreal.py", encoding="utf-8") as file:
        exec(file.read(), {})
    orders = queue.Queue()

    def read():
        for line in sys.stdin:
            orders.put(json.loads(line))
        orders.put(["end"])

    threading.Thread(target=read, daemon=True).start()
    say("started", len(fake_unreal.ticks))
    while True:
        try:
            order = orders.get(timeout=TICK_S)
        except queue.Empty:
            order = None
        if order == ["end"]:
            break
        if order is not None:
            obey(*order)
        # As the editor does now and then.
        gc.collect()
        for each in list(fake_unreal.ticks.values()):
            fake_unreal._call(each, TICK_S)
        for event in fake_unreal.events:
            say(*event)
        del fake_unreal.events[:]
    begun = time.time()
    for each in fake_unreal.shutdowns:
        fake_unreal._call(each)
    say("ended", time.time() - begun < 1.0, threading.active_count())


def obey(verb, *args):
    if verb == "import":
        path, file, way, pixels = args
        texture = fake_unreal.objects.get(path) or fake_unreal.Texture2D(path, file, pixels)
        fake_unreal.objects[path] = texture
        subsystem = fake_unreal.subsystem
        if way == "reimport":
            subsystem.on_asset_reimport.broadcast(texture)
        subsystem.on_asset_post_import.broadcast(None, texture)
    elif verb == "failed import":
        fake_unreal.subsystem.on_asset_post_import.broadcast(None, None)
        fake_unreal.subsystem.on_asset_reimport.broadcast(None)
    elif verb == "set":
        fake_unreal.objects[args[0]].properties[args[1]] = args[2]
    elif verb == "get":
        properties = fake_unreal.objects[args[0]].properties
        say(
            "properties",
            {
                name: getattr(value, "name", None) or value
                for name, value in properties.items()
                if name != "asset_import_data"
            },
        )
    elif verb == "press":
        exec(entry(args[0]).command, {})
    elif verb == "label":
        say("label", entry(args[0]).label)
    elif verb == "answer":
        fake_unreal.dialog_answer = args[0]
    elif verb == "saved":
        fake_unreal.dirty.discard(args[0].partition(".")[0])
    elif verb == "dirty":
        fake_unreal.dirty.add(args[0].partition(".")[0])
    elif verb == "control":
        fake_unreal.control_enabled = args[0]
    elif verb == "cancel":
        fake_unreal.ScopedSlowTask.cancel_at = args[0]


def entry(name):
    menus = [fake_unreal.menu, *fake_unreal.context_menus.values()]
    return next(each.entries["PopBridge" + name] for each in menus if "PopBridge" + name in each.entries)


def say(*event):
    sys.stdout.write(json.dumps(event) + "\n")
    sys.stdout.flush()


main()

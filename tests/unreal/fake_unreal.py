"""The part of the editor's module `unreal` that the plugin uses, for Python 3.7 and later.

As the editor's, it raises off the main thread, for unknown properties, and for values of another type. A
registered callable that was collected ends the process, as it crashes the editor.
"""

import functools
import os
import threading
import weakref

MAIN = threading.get_ident()
version = "5.6.1-44394996+++UE5+Release-5.6"
command_line = ""
project = ""
control_enabled = False
browser = False
"""Whether pages can be opened; a version without `launch_url` can't."""
dialog_answer = "CANCEL"
events = []
"""What the person would see, and what the tests look at: (kind, ...)."""
dirty = set()
"""Names of packages with unsaved changes."""
objects = {}
"""Assets by their object paths."""
ticks = {}
shutdowns = []
CRASH = 86


def main_only(function):
    @functools.wraps(function)
    def checked(*args, **kwargs):
        if threading.get_ident() != MAIN:
            raise RuntimeError("Attempted to access Unreal API from outside the main game thread.")
        return function(*args, **kwargs)

    return checked


class EnumBase(object):
    def __init__(self, name, value):
        self.name = name
        self.value = value

    def __eq__(self, other):
        return type(self) is type(other) and self.value == other.value

    def __hash__(self):
        return hash(self.value)


def enum(name, *members):
    made = type(name, (EnumBase,), {})
    for value, member in enumerate(members):
        setattr(made, member, made(member, value))
    return made


TextureCompressionSettings = enum(
    "TextureCompressionSettings", "TC_DEFAULT", "TC_NORMALMAP", "TC_MASKS", "TC_GRAYSCALE",
    "TC_DISPLACEMENTMAP", "TC_VECTOR_DISPLACEMENTMAP", "TC_HDR", "TC_EDITOR_ICON", "TC_ALPHA",
    "TC_DISTANCE_FIELD_FONT", "TC_HDR_COMPRESSED", "TC_BC7", "TC_HALF_FLOAT",
)  # fmt: skip
TextureGroup = enum(
    "TextureGroup", "TEXTUREGROUP_WORLD", "TEXTUREGROUP_WORLD_NORMAL_MAP", "TEXTUREGROUP_PIXELS2D"
)
TextureMipGenSettings = enum(
    "TextureMipGenSettings", "TMGS_FROM_TEXTURE_GROUP", "TMGS_SIMPLE_AVERAGE", "TMGS_NO_MIPMAPS"
)
TextureLossyCompressionAmount = enum("TextureLossyCompressionAmount", "TLCA_DEFAULT", "TLCA_NONE")
TexturePowerOfTwoSetting = enum("TexturePowerOfTwoSetting", "NONE", "PAD_TO_POWER_OF_TWO")
TextureAddress = enum("TextureAddress", "TA_WRAP", "TA_CLAMP", "TA_MIRROR")
TextureFilter = enum("TextureFilter", "TF_NEAREST", "TF_BILINEAR", "TF_TRILINEAR", "TF_DEFAULT")
AppMsgType = enum("AppMsgType", "OK", "YES_NO", "YES_NO_CANCEL")
AppReturnType = enum("AppReturnType", "NO", "YES", "CANCEL", "OK")
MultiBlockType = enum("MultiBlockType", "NONE", "MENU_ENTRY")
ToolMenuStringCommandType = enum("ToolMenuStringCommandType", "COMMAND", "PYTHON")

LINEAR = ("TC_NORMALMAP", "TC_MASKS", "TC_HDR", "TC_ALPHA", "TC_HDR_COMPRESSED", "TC_HALF_FLOAT")


class Object(object):
    path = ""

    @main_only
    def get_path_name(self):
        return self.path


class Package(Object):
    def __init__(self, path):
        self.path = path


class AssetImportData(Object):
    def __init__(self, file):
        self.file = file

    @main_only
    def get_first_filename(self):
        return self.file


class Texture2D(Object):
    def __init__(self, path, file, pixels=""):
        self.path = path
        self.pixels = pixels
        """The file that an exporter copies."""
        self.properties = {
            "compression_settings": TextureCompressionSettings.TC_DEFAULT,
            "compression_no_alpha": False,
            "srgb": True,
            "lod_group": TextureGroup.TEXTUREGROUP_WORLD,
            "mip_gen_settings": TextureMipGenSettings.TMGS_FROM_TEXTURE_GROUP,
            "max_texture_size": 0,
            "lod_bias": 0,
            "flip_green_channel": False,
            "virtual_texture_streaming": False,
            "never_stream": False,
            "lossy_compression_amount": TextureLossyCompressionAmount.TLCA_DEFAULT,
            "power_of_two_mode": TexturePowerOfTwoSetting.NONE,
            "address_x": TextureAddress.TA_WRAP,
            "address_y": TextureAddress.TA_WRAP,
            "filter": TextureFilter.TF_DEFAULT,
            "asset_import_data": AssetImportData(file),
        }

    @main_only
    def get_editor_property(self, name):
        if name not in self.properties:
            raise Exception("Texture2D: Failed to find property '%s' for attribute" % name)
        return self.properties[name]

    @main_only
    def blueprint_get_size_x(self):
        return 256

    blueprint_get_size_y = blueprint_get_size_x

    @main_only
    def set_editor_property(self, name, value):
        if type(value) is not type(self.get_editor_property(name)):
            raise TypeError("NativizeProperty: Cannot nativize '%s' as '%s'" % (type(value).__name__, name))
        if not transactions:
            raise RuntimeError("a change that can't be undone")
        self.properties[name] = value
        if self.properties["compression_settings"].name in LINEAR:
            self.properties["srgb"] = False
        dirty.add(self.path.partition(".")[0])


class StaticMesh(Object):
    pass


class MaterialInterface(Object):
    def __init__(self, path, slots):
        self.path = path
        self.slots = slots


class Material(MaterialInterface):
    pass


class MaterialInstanceConstant(MaterialInterface):
    pass


class MaterialEditingLibrary(object):
    @staticmethod
    @main_only
    def get_texture_parameter_names(material):
        return sorted(material.slots)

    @staticmethod
    @main_only
    def get_material_default_texture_parameter_value(material, parameter_name):
        assert type(material) is Material
        return objects.get(material.slots[parameter_name])

    @staticmethod
    @main_only
    def get_material_instance_texture_parameter_value(instance, parameter_name):
        assert type(instance) is MaterialInstanceConstant
        return objects.get(instance.slots[parameter_name])


class AssetRegistryDependencyOptions(object):
    def __init__(self, include_hard_package_references=False):
        assert include_hard_package_references


class TopLevelAssetPath(object):
    def __init__(self, asset_name):
        self.asset_name = asset_name


class AssetData(object):
    def __init__(self, asset):
        self.package_name, _, self.asset_name = asset.path.partition(".")
        # A name before 5.1.
        if version.startswith(("4.", "5.0")):
            self.asset_class = type(asset).__name__
        else:
            self.asset_class_path = TopLevelAssetPath(type(asset).__name__)


class AssetRegistry(object):
    @main_only
    def get_referencers(self, package_name, reference_options):
        assert isinstance(reference_options, AssetRegistryDependencyOptions)
        found = [
            each.path.partition(".")[0]
            for each in objects.values()
            if isinstance(each, MaterialInterface)
            and package_name in [path.partition(".")[0] for path in each.slots.values()]
        ]
        return found or None

    @main_only
    def get_assets_by_path(self, package_path, recursive=False):
        assert recursive
        return [AssetData(each) for each in objects.values() if each.path.startswith(package_path + "/")]


class AssetRegistryHelpers(object):
    @staticmethod
    @main_only
    def get_asset_registry():
        return AssetRegistry()


@main_only
def find_object(outer, name):
    return objects.get(name)


class TextureExporterPNG(object):
    pass


class AssetExportTask(object):
    def __init__(self):
        self.values = {}

    @main_only
    def set_editor_property(self, name, value):
        assert name in ("object", "exporter", "filename", "automated", "prompt", "replace_identical"), name
        self.values[name] = value


class AssetImportTask(object):
    def __init__(self):
        self.values = {}

    @main_only
    def set_editor_property(self, name, value):
        names = ("filename", "destination_path", "automated", "replace_existing", "save")
        assert name in names, name
        self.values[name] = value


class AssetTools(object):
    @main_only
    def import_asset_tasks(self, import_tasks):
        for task in import_tasks:
            values = task.values
            assert values["automated"] and not values["save"]
            name = os.path.splitext(os.path.basename(values["filename"]))[0]
            texture = Texture2D("%s/%s.%s" % (values["destination_path"], name, name), values["filename"])
            objects[texture.path] = texture
            events.append(("imported", texture.path, values["filename"]))
            subsystem.on_asset_post_import.broadcast(None, texture)


class AssetToolsHelpers(object):
    @staticmethod
    @main_only
    def get_asset_tools():
        return AssetTools()


class Exporter(object):
    @staticmethod
    @main_only
    def run_asset_export_task(task):
        values = task.values
        assert values["automated"] and not values["prompt"]
        source = values["object"].pixels
        if not source or not isinstance(values["exporter"], TextureExporterPNG):
            return False
        with open(source, "rb") as file, open(values["filename"], "wb") as out:
            out.write(file.read())
        return True


class Delegate(object):
    def __init__(self):
        self._callables = []

    @main_only
    def add_callable(self, function):
        self._callables.append(_weak(function))

    @main_only
    def remove_callable(self, function):
        self._callables = [each for each in self._callables if each() != function]

    def broadcast(self, *args):
        for each in list(self._callables):
            _call(each, *args)


def _weak(function):
    return weakref.WeakMethod(function) if hasattr(function, "__self__") else weakref.ref(function)


def _call(reference, *args):
    function = reference()
    if function is None:
        os._exit(CRASH)
    # The editor logs what a callback raises.
    try:
        function(*args)
    except Exception as error:
        events.append(("raised", repr(error)))


class ImportSubsystem(object):
    def __init__(self):
        self.on_asset_post_import = Delegate()
        self.on_asset_reimport = Delegate()


subsystem = ImportSubsystem()


@main_only
def get_editor_subsystem(kind):
    return subsystem if kind is ImportSubsystem else None


@main_only
def load_object(outer, name):
    return objects.get(name)


@main_only
def register_slate_post_tick_callback(function):
    handle = object()
    ticks[handle] = _weak(function)
    return handle


@main_only
def unregister_slate_post_tick_callback(handle):
    del ticks[handle]


@main_only
def register_python_shutdown_callback(function):
    shutdowns.append(_weak(function))


@main_only
def log(text):
    events.append(("log", text))


log_warning = log_error = log


class Paths(object):
    @staticmethod
    @main_only
    def project_dir():
        return project + "/"

    @staticmethod
    @main_only
    def convert_relative_path_to_full(path):
        return path


class SystemLibrary(object):
    @staticmethod
    @main_only
    def get_engine_version():
        return version

    @staticmethod
    @main_only
    def get_command_line():
        return command_line

    @staticmethod
    @main_only
    def get_game_name():
        return "Game"

    @staticmethod
    @main_only
    def launch_url(url):
        events.append(("url", url))


class InternationalizationLibrary(object):
    @staticmethod
    @main_only
    def get_current_language():
        return "en"


class EditorDialog(object):
    @staticmethod
    @main_only
    def show_message(title, message, kind, default=AppReturnType.NO):
        events.append(("dialog", title, message))
        # A modal dialog ticks, too.
        for each in list(ticks.values()):
            _call(each, 0.01)
        return getattr(AppReturnType, dialog_answer)


class EditorAssetLibrary(object):
    @staticmethod
    @main_only
    def does_asset_exist(asset_path):
        return any(path.partition(".")[0] == asset_path for path in objects)

    @staticmethod
    @main_only
    def save_loaded_asset(asset, only_if_is_dirty=True):
        dirty.discard(asset.path.partition(".")[0])
        events.append(("saved", asset.path))
        return True


class EditorLoadingAndSavingUtils(object):
    @staticmethod
    @main_only
    def get_dirty_content_packages():
        return [Package(name) for name in sorted(dirty)]


class EditorUtilityLibrary(object):
    @staticmethod
    @main_only
    def get_selected_assets():
        return [each for each in objects.values() if not isinstance(each, MaterialInterface)]

    @staticmethod
    @main_only
    def get_selected_folder_paths():
        return ["/All/Game/Textures"]


class SourceControl(object):
    @staticmethod
    @main_only
    def is_enabled():
        return control_enabled

    is_available = is_enabled

    @staticmethod
    @main_only
    def check_out_or_add_file(file, silent=False):
        events.append(("checkout", file))
        if file.endswith("T_Locked_N.uasset"):
            return False
        os.chmod(file, 0o644)
        return True

    @staticmethod
    @main_only
    def last_error_msg():
        return "exclusively checked out by somebody else"


transactions = []


class ScopedEditorTransaction(object):
    def __init__(self, description):
        self.description = description

    @main_only
    def __enter__(self):
        transactions.append(self.description)
        return self

    @main_only
    def __exit__(self, *error):
        transactions.pop()


class ScopedSlowTask(object):
    cancel_at = None

    def __init__(self, work, description=""):
        self._done = 0

    @main_only
    def __enter__(self):
        return self

    @main_only
    def __exit__(self, *error):
        pass

    @main_only
    def make_dialog(self, can_cancel=False, allow_in_pie=False):
        events.append(("progress", can_cancel))

    @main_only
    def should_cancel(self):
        return self.cancel_at is not None and self._done >= self.cancel_at

    @main_only
    def enter_progress_frame(self, work=1.0, description=""):
        self._done += 1


class ToolMenuEntry(object):
    def __init__(self, name, type):
        self.name = name
        self.command = ""

    @main_only
    def set_label(self, label):
        self.label = label

    @main_only
    def set_string_command(self, kind, custom, string):
        self.command = string


class ToolMenu(object):
    def __init__(self):
        self.entries = {}

    @main_only
    def get_name(self):
        return "LevelEditor.MainMenu"

    @main_only
    def add_sub_menu(self, owner, section, name, label):
        return self

    @main_only
    def add_menu_entry(self, section, entry):
        self.entries[entry.name] = entry


menu = ToolMenu()
context_menus = {}


class ToolMenus(object):
    @staticmethod
    @main_only
    def get():
        return ToolMenus

    @staticmethod
    @main_only
    def find_menu(name):
        return menu

    @staticmethod
    @main_only
    def extend_menu(name):
        assert name.startswith("ContentBrowser.")
        return context_menus.setdefault(name, ToolMenu())

    @staticmethod
    @main_only
    def refresh_all_widgets():
        pass

// Runs the package in a fake editor: an order a line on stdin, an event a line on stdout.

using System;
using System.Collections.Concurrent;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Runtime.CompilerServices;
using System.Threading;
using PopBridge.Connection;
using PopBridge.Editor;
using UnityEditor;
using UnityEngine;
using UnityEngine.Rendering;
using UnityEngine.UIElements;

public static class PackageDriver
{
    private static VisualElement page;
    private static readonly ConcurrentQueue<string> Orders = new ConcurrentQueue<string>();

    public static void Run(string[] arguments)
    {
        Fake.CheckThread();
        Directory.SetCurrentDirectory(arguments[0]);
        Fake.Version = arguments[1];
        Fake.IsWorker = arguments[2] == "worker";
        Fake.IsBatchMode = arguments[2] == "batch";
        new Thread(Read) { IsBackground = true }.Start();
        RuntimeHelpers.RunClassConstructor(typeof(EditorBridge).TypeHandle);
        if (EditorBridge.Session == null)
        {
            Fake.Say("silent", (EditorApplication.update == null).ToString());
            return;
        }
        EditorBridge.Session.Opened += ready => Fake.Say("opened", ready.Session, ready.Resumed.ToString());
        EditorBridge.Popups.Shown += popup => Fake.Say(
            "popup", popup.Popup.Kind, popup.Popup.Id.ToString(), (popup.Items?.Count ?? 0).ToString());
        EditorBridge.Session.RequestAnswered += (id, answer) =>
            Fake.Say("answered", answer is PopBridge.Protocol.ErrorMessage error ? error.Code + ": " + error.Message : "result");
        EditorBridge.Popups.Changed += popup =>
        {
            if (popup?.Items != null && popup.Popup.ItemsBlob != null) Fake.Say("items", popup.Items.Count.ToString());
        };
        for (;;)
        {
            EditorApplication.update?.Invoke();
            if (Orders.TryDequeue(out var order) && !Obey(order.Split(new[] { ' ' }, 2))) return;
            Thread.Sleep(2);
        }
    }

    private static void Read()
    {
        string line;
        while ((line = Console.In.ReadLine()) != null) Orders.Enqueue(line);
        Orders.Enqueue("end");
    }

    private static bool Obey(string[] words)
    {
        switch (words[0])
        {
            case "import":
                AssetDatabase.StartAssetEditing();
                foreach (var path in words[1].Split(' ')) AssetDatabase.ImportAsset(path);
                AssetDatabase.StopAssetEditing();
                break;
            case "fight":
                AssetDatabase.Preprocess = importer => importer.textureType = TextureImporterType.Default;
                break;
            case "untick":
                var popup = EditorBridge.Popups.Open[0];
                foreach (var row in popup.Items.Roots.SelectMany(Rows).Where(each => each.Item.Path == words[1]))
                    while (row.Tick != ItemModel.Tick.Off) popup.Items.Toggle(row);
                Fake.Say("ticked", popup.Items.Count.ToString());
                break;
            case "show": PopBridgeWindow.Open(); break;
            case "press":
                Button(int.Parse(words[1])).Press();
                break;
            case "click":
                Elements().OfType<Button>().First(each => each.text == words[1]).Press();
                break;
            case "choose": Choose(words[1]); break;
            case "escape":
                Elements().OfType<ItemPane>().Single().Send(new KeyDownEvent { keyCode = KeyCode.Escape });
                break;
            case "width":
                Elements().OfType<PopupCard>().Single().Resize(float.Parse(words[1]));
                break;
            case "look": Look(); break;
            case "all":
                var all = Elements().OfType<ItemList>().Single().All().OfType<Toggle>().First();
                all.value = !all.value;
                Fake.Say("ticked", EditorBridge.Popups.Open[0].Items.Count.ToString());
                break;
            case "select": Selection.assetGUIDs = words[1].Split(' '); break;
            case "menu": Fake.Say("menu", MenuItem.Choose(words[1]).ToString()); break;
            case "cancel": Progress.CancelAll(); break;
            case "tasks": Fake.Say("tasks", Progress.Tasks.Count.ToString()); break;
            case "badge": Badge(words[1]); break;
            case "material": AddMaterial(words[1].Split(' ')); break;
            case "findings":
                Fake.Say("findings", string.Join("|", EditorBridge.Findings().Select(each => each.Key + ":" + each.Value.Count)));
                break;
            case "uses": Uses(words[1]); break;
            case "settings": ShowSettings(); break;
            case "switch": Switch(int.Parse(words[1])); break;
            case "skin":
                EditorGUIUtility.isProSkin = words[1] == "dark";
                break;
            case "language":
                EditorPrefs.SetString("PopBridge.Language", words[1]);
                break;
            case "open": Fake.Say("open", string.Join("|", EditorBridge.Popups.Open.Select(each => each.Popup.Kind))); break;
            case "idle": Fake.Say("idle", Idle().ToString()); break;
            case "end":
                AssemblyReloadEvents.Reload();
                return false;
        }
        return true;
    }

    private static IEnumerable<ItemModel.Row> Rows(ItemModel.Row row) =>
        new[] { row }.Concat(row.Children.SelectMany(Rows));

    private static IEnumerable<VisualElement> Elements() =>
        EditorWindow.GetWindow<PopBridgeWindow>("", false).rootVisualElement.All();

    /// <summary>The button of one of the popup's actions, by its order.</summary>
    private static Button Button(int index)
    {
        var popup = EditorBridge.Popups.Open[0];
        var action = popup.Popup.Actions[index];
        var labels = new[]
        {
            action.Label, action.LabelOne, action.LabelMany.Replace("{count}", (popup.Items?.Count ?? 0).ToString()),
        };
        return Elements().OfType<Button>().First(each => labels.Contains(each.text));
    }

    /// <summary>Opens a texture by the keyboard: its group first.</summary>
    private static void Choose(string path)
    {
        var list = Elements().OfType<ListView>().Single();
        var items = EditorBridge.Popups.Open[0].Items;
        var texture = items.Roots.SelectMany(Rows).First(each => each.Item.Path == path);
        var group = items.Roots.First(each => each.Children.Contains(texture));
        foreach (var each in new[] { group, texture })
        {
            if (each == group && group.IsOpen) continue;
            list.selectedItem = each;
            list.Send(new KeyDownEvent { keyCode = KeyCode.Return });
        }
    }

    /// <summary>Says what is in sight: list, texture, both pictures, texts.</summary>
    private static void Look()
    {
        var elements = Elements().ToArray();
        Fake.Say("look", elements.OfType<ItemList>().Any().ToString(), elements.OfType<ItemPane>().Any().ToString(),
            elements.OfType<Compare>().Any().ToString(),
            string.Join("|", elements.OfType<TextElement>().Select(each => each.text)).Replace("\n", " "));
    }

    /// <summary>Draws items of the Project window; says how many marks, and what 1,000 more items allocate.</summary>
    private static void Badge(string guid)
    {
        var area = new Rect(0, 0, 100, 16);
        UnityEngine.Event.current = new UnityEngine.Event { type = EventType.Repaint };
        GUI.Drawn = 0;
        EditorApplication.projectWindowItemOnGUI?.Invoke(guid, area);
        EditorApplication.projectWindowItemOnGUI?.Invoke("Assets/other.png", area);
        var drawn = GUI.Drawn;
        var before = GC.GetAllocatedBytesForCurrentThread();
        for (var each = 0; each < 1000; each++) EditorApplication.projectWindowItemOnGUI?.Invoke(guid, area);
        var allocated = GC.GetAllocatedBytesForCurrentThread() - before;
        Fake.Say("badge", drawn.ToString(), allocated.ToString());
    }

    /// <summary>Loads a material of a shader with one slot, which has a texture: shader, slot, path, and `normal` if it is declared so.</summary>
    private static void AddMaterial(string[] words)
    {
        var shader = new Shader
        {
            name = words[0], Slots = new[] { words[1] },
            Flags = words.Length > 3 ? ShaderPropertyFlags.Normal : ShaderPropertyFlags.None,
        };
        var material = new Material { shader = shader };
        material.Textures[words[1]] = new Texture { Path = words[2] };
        UnityEngine.Resources.Materials.Add(material);
    }

    /// <summary>Says whether all materials are read without time, and what a texture is used as.</summary>
    private static void Uses(string path)
    {
        var uses = new MaterialUses();
        var isDone = uses.Refresh(0);
        uses.Refresh(double.MaxValue);
        var found = (uses.Of(path) ?? new List<object>()).Cast<Dictionary<string, object>>();
        Fake.Say("uses", isDone.ToString(), string.Join("|", found.Select(use =>
            string.Join(" ", use.OrderBy(each => each.Key).Select(each => each.Key + "=" + each.Value)))));
    }

    private static void ShowSettings()
    {
        if (page == null)
        {
            page = new VisualElement();
            Settings.Provider().activateHandler("", page);
        }
        Fake.Say("settings", string.Join("|", page.All().OfType<TextElement>().Select(each => each.text)));
    }

    private static void Switch(int index)
    {
        var box = page.All().OfType<Toggle>().ElementAt(index);
        box.value = !box.value;
    }

    /// <summary>Returns the bytes that 1,000 ticks without news allocate on this thread.</summary>
    private static long Idle()
    {
        var before = GC.GetAllocatedBytesForCurrentThread();
        for (var each = 0; each < 1000; each++) EditorApplication.update();
        return GC.GetAllocatedBytesForCurrentThread() - before;
    }
}

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
using UnityEngine.UIElements;

public static class PackageDriver
{
    private static readonly ConcurrentQueue<string> Orders = new ConcurrentQueue<string>();

    public static void Main(string[] arguments)
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
                Button(words[1]).Press();
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

    /// <summary>The button of an action, by its order: the actions follow the three of the head and the one that closes.</summary>
    private static Button Button(string index) =>
        Elements().OfType<Button>().ElementAt(4 + int.Parse(index));

    /// <summary>Returns the bytes that 1,000 ticks without news allocate on this thread.</summary>
    private static long Idle()
    {
        var before = GC.GetAllocatedBytesForCurrentThread();
        for (var each = 0; each < 1000; each++) EditorApplication.update();
        return GC.GetAllocatedBytesForCurrentThread() - before;
    }
}

// Drives the package's session without Unity: a line for each order on stdin, a line for each event on stdout.

using System;
using System.Collections.Concurrent;
using System.Collections.Generic;
using System.Globalization;
using System.Threading;
using PopBridge.Connection;
using PopBridge.Protocol;

public static class SessionDriver
{
    private static readonly ConcurrentQueue<string> Orders = new ConcurrentQueue<string>();
    private static readonly Dictionary<long, Popup> Popups = new Dictionary<long, Popup>();
    private static readonly List<Command> Commands = new List<Command>();
    private static readonly BlobClient Blobs = new BlobClient();

    public static void Run(string[] arguments)
    {
        var reader = new Thread(Read) { IsBackground = true };
        reader.Start();
        var identity = new EditorIdentity
        {
            Version = arguments[2], EngineVersion = "2022.3.62f1", ProjectId = arguments[0], ProjectName = "Project",
            ProjectRoot = arguments[0], Instance = arguments[3],
        };
        var session = new EditorSession(identity, new StateFile(arguments[1]));
        session.StatusChanged += () => Say("status", session.State.ToString(), session.Problem.ToString());
        session.Opened += ready => Say("opened", ready.Session, ready.Resumed.ToString());
        session.Lost += () => Say("lost");
        session.Forgotten += () => Say("forgotten");
        session.PopupShown += popup =>
        {
            Popups[popup.Id] = popup;
            Say("popup", popup.Id.ToString(), popup.Kind, popup.Items.Count.ToString());
        };
        session.PopupClosed += close => Say("closed", close.Id.ToString(), close.Reason);
        session.CommandReceived += command =>
        {
            Commands.Add(command);
            Say("command", command.Name, command.Id.ToString());
        };
        for (;;)
        {
            session.Tick(4);
            Blobs.Deliver();
            if (Orders.TryDequeue(out var order) && !Obey(session, order.Split(new[] { ' ' }, 3))) return;
            Thread.Sleep(2);
        }
    }

    private static void Read()
    {
        string line;
        while ((line = Console.In.ReadLine()) != null) Orders.Enqueue(line);
        Orders.Enqueue("end");
    }

    private static bool Obey(EditorSession session, string[] words)
    {
        switch (words[0])
        {
            case "import":
                var asset = new Dictionary<string, object>
                {
                    ["path"] = words[1], ["file"] = words[1], ["type"] = "texture",
                    ["options"] = Json.Read(words[2]),
                };
                Say("reported", session.Report("asset.imported", new Dictionary<string, object>
                {
                    ["batch"] = 1L, ["more"] = false, ["assets"] = new List<object> { asset },
                }).ToString());
                break;
            case "answer":
                session.Answer(new Answer
                {
                    Id = long.Parse(words[1], CultureInfo.InvariantCulture), State = "answered", Action = words[2],
                });
                break;
            case "reply":
                session.Reply(Commands[0], new Result { Id = Commands[0].Id, Value = Json.Read(words[1]) });
                Commands.RemoveAt(0);
                Say("replied");
                break;
            case "ask":
                var number = words[2];
                session.Ask(words[1], new Dictionary<string, object>(), answer => Say(
                    "answered", number, answer == null ? "lost" : answer is ErrorMessage error ? error.Code : "result"));
                break;
            case "blob":
                Blobs.Fetch(session.Http, session.Fingerprint, session.Welcome.HttpToken, words[1],
                    content => Say("blob", content == null ? "none" : content.Length.ToString()));
                break;
            case "idle":
                Say("idle", Idle(session).ToString());
                break;
            case "suspend":
                session.Suspend();
                break;
            case "end":
                session.Suspend();
                return false;
        }
        return true;
    }

    /// <summary>Returns the bytes that 1,000 ticks without news allocate on this thread.</summary>
    private static long Idle(EditorSession session)
    {
        var before = GC.GetAllocatedBytesForCurrentThread();
        for (var each = 0; each < 1000; each++)
        {
            session.Tick(4);
            Blobs.Deliver();
        }
        return GC.GetAllocatedBytesForCurrentThread() - before;
    }

    private static void Say(params string[] words)
    {
        Console.Out.WriteLine(string.Join("\t", words));
        Console.Out.Flush();
    }
}

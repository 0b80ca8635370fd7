// The state of the fake editor.

using System;
using System.Threading;

public static class Fake
{
    private static readonly int MainThread = Thread.CurrentThread.ManagedThreadId;

    public static string Version = "2022.3.62f1";
    public static bool IsBatchMode;
    public static bool IsWorker;

    public static bool WorkersThrow
    {
        get
        {
#if UNITY_2022_3_OR_NEWER
            return IsWorker;
#else
            return false;
#endif
        }
    }

    /// <summary>Throws off the main thread, as Unity does.</summary>
    public static void CheckThread()
    {
        if (Thread.CurrentThread.ManagedThreadId != MainThread)
            throw new UnityEngine.UnityException("can only be called from the main thread.");
    }

    public static void Say(params string[] words)
    {
        Console.Out.WriteLine(string.Join("\t", words));
        Console.Out.Flush();
    }
}

// Answers for the C# SDK: a line for each question on stdin.

using System;
using System.Text;
using PopBridge.Protocol;

public static class Driver
{
    public static void Main()
    {
        string line;
        while ((line = Console.In.ReadLine()) != null) Console.Out.WriteLine(Answer(line.Split(' ')));
    }

    private static string Answer(string[] words)
    {
        if (words[0] == "proof")
            return Proof.OfServer(words[1], words[2], words[3], words[4], words[5]) + " "
                + Proof.OfClient(words[1], words[2], words[3], words[4], words[5]);
        var frame = new byte[words[1].Length / 2];
        for (var at = 0; at < frame.Length; at++) frame[at] = Convert.ToByte(words[1].Substring(2 * at, 2), 16);
        try
        {
            var again = words[0] == "value" ? Msgpack.Pack(Msgpack.Unpack(frame, frame.Length))
                : Messages.Encode(words[0] == "server" ? Messages.Decode(frame) : Messages.DecodeClient(frame));
            var hex = new StringBuilder("again ");
            foreach (var each in again) hex.Append(each.ToString("x2"));
            return hex.ToString();
        }
        catch (ProtocolException error)
        {
            return "refused " + error.Code + " " + error.Field;
        }
    }
}

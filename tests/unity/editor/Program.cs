// One program for all drivers: compiling is what takes time.

using System.Linq;

public static class Program
{
    public static void Main(string[] arguments)
    {
        var rest = arguments.Skip(1).ToArray();
        switch (arguments[0])
        {
            case "session": SessionDriver.Run(rest); break;
            case "package": PackageDriver.Run(rest); break;
            default: NUnit.Framework.Runner.Run(); break;
        }
    }
}

// What the package's own tests use of NUnit, and a program that runs them: it prints each with what is wrong.

using System;
using System.Collections.Generic;
using System.Linq;
using System.Reflection;

namespace NUnit.Framework
{
    [AttributeUsage(AttributeTargets.Method)] public sealed class TestAttribute : Attribute { }

    public delegate void TestDelegate();

    public static class Assert
    {
        public static void AreEqual(object expected, object actual)
        {
            if (expected is System.Collections.IEnumerable one && actual is System.Collections.IEnumerable other
                && !(expected is string))
            {
                var wanted = new List<object>();
                var found = new List<object>();
                foreach (var each in one) wanted.Add(each);
                foreach (var each in other) found.Add(each);
                IsTrue(wanted.Count == found.Count);
                for (var each = 0; each < wanted.Count; each++) AreEqual(wanted[each], found[each]);
                return;
            }
            if (!Equals(expected, actual)) throw new Exception("expected " + expected + ", not " + actual);
        }

        public static void IsTrue(bool isSo)
        {
            if (!isSo) throw new Exception("expected true");
        }

        public static void IsFalse(bool isSo) => IsTrue(!isSo);

        public static void Throws<T>(TestDelegate code) where T : Exception
        {
            try
            {
                code();
            }
            catch (T)
            {
                return;
            }
            throw new Exception("expected " + typeof(T).Name);
        }
    }

    public static class Runner
    {
        public static void Run()
        {
            foreach (var type in Assembly.GetExecutingAssembly().GetTypes())
                foreach (var method in type.GetMethods().Where(each => each.IsDefined(typeof(TestAttribute))))
                    Try(type, method);
        }

        private static void Try(Type type, MethodInfo method)
        {
            var problem = "";
            try
            {
                method.Invoke(Activator.CreateInstance(type), null);
            }
            catch (TargetInvocationException error)
            {
                problem = error.InnerException.Message;
            }
            Fake.Say(method.Name, problem);
        }
    }
}

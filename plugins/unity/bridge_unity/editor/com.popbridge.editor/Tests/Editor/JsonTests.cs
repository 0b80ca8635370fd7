using System;
using System.Collections.Generic;
using NUnit.Framework;
using PopBridge.Connection;

namespace PopBridge.Editor.Tests
{
    public sealed class JsonTests
    {
        [Test]
        public void ReadsMapsAndLists()
        {
            var map = (Dictionary<string, object>)Json.Read("{\"a\": [1, 2.5, null, \"\\u00e9\"]}");
            Assert.AreEqual(new object[] { 1L, 2.5, null, "é" }, map["a"]);
        }

        [Test]
        public void RefusesWhatFollowsTheValue() => Assert.Throws<FormatException>(() => Json.Read("{} x"));
    }
}

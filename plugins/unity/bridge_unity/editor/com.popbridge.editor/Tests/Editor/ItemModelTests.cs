using System.Collections.Generic;
using NUnit.Framework;
using PopBridge.Protocol;

namespace PopBridge.Editor.Tests
{
    public sealed class ItemModelTests
    {
        [Test]
        public void AGroupShowsTheSumOfItsTextures()
        {
            var model = new ItemModel(new List<PopupItem> { Group(Leaf("1", true), Leaf("2", false)) });
            Assert.AreEqual(ItemModel.Tick.Mixed, model.Roots[0].Tick);
            model.Toggle(model.Roots[0]);
            Assert.AreEqual(new List<string> { "1", "2" }, model.Checked());
        }

        [Test]
        public void ChangesThatNeedEachOtherAreTickedTogether()
        {
            var needy = Leaf("1", true);
            needy.Needs.Add("2");
            var model = new ItemModel(new List<PopupItem> { Group(needy, Leaf("2", true)) });
            model.Toggle(model.Find("2"));
            Assert.AreEqual(new List<string>(), model.Checked());
        }

        [Test]
        public void WhatIsLockedOrSettledHasNoBox()
        {
            var locked = Leaf("1", false);
            locked.Locked = "why";
            var settled = Leaf("2", false);
            settled.Status = "done";
            var model = new ItemModel(new List<PopupItem> { Group(locked, settled) });
            model.ToggleAll();
            Assert.AreEqual(0, model.Count);
            Assert.AreEqual("done", model.Roots[0].Outcome);
        }

        private static PopupItem Group(params PopupItem[] children) =>
            new PopupItem { Id = "group", Title = "Group", Children = new List<PopupItem>(children) };

        private static PopupItem Leaf(string id, bool isOn) =>
            new PopupItem { Id = id, Title = id, Path = "Assets/" + id + ".png", Checked = isOn };
    }
}

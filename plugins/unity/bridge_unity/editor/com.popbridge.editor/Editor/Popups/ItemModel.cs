using System;
using System.Collections.Generic;
using PopBridge.Protocol;

namespace PopBridge.Editor
{
    /// <summary>
    /// The items of a popup and which of them are ticked. The unit is a leaf, one change of one texture; a row with
    /// children shows the sum of theirs.
    /// </summary>
    public sealed class ItemModel
    {
        public enum Tick { Off, Mixed, On }

        /// <summary>The status of a row is the first of these that one of its leaves has.</summary>
        private static readonly string[] Importance = { "pending", "failed", "kept", "done" };

        private readonly Dictionary<string, Row> rows = new Dictionary<string, Row>();
        private readonly Dictionary<string, int> textures = new Dictionary<string, int>();
        private readonly List<Row> leaves = new List<Row>();

        public ItemModel(List<PopupItem> items)
        {
            foreach (var each in items) Roots.Add(Read(each, null, "", 0));
            foreach (var each in new List<Row>(leaves))
                foreach (var other in each.Item.Needs)
                    if (rows.TryGetValue(other, out var partner))
                    {
                        each.Partners.Add(partner);
                        partner.Partners.Add(each);
                    }
        }

        /// <summary>One item with its ticks.</summary>
        public sealed class Row
        {
            internal Row Parent;
            internal string Texture;
            internal int Checkable;
            internal int Ticked;
            /// <summary>Ticked and unticked together with this one.</summary>
            internal readonly List<Row> Partners = new List<Row>();
            internal readonly HashSet<string> Outcomes = new HashSet<string>();

            public PopupItem Item { get; internal set; }

            public int Depth { get; internal set; }

            public List<Row> Children { get; } = new List<Row>();

            /// <summary>Whether its children are shown.</summary>
            public bool IsOpen { get; set; }

            public bool IsCheckable => Checkable > 0;

            public Tick Tick => Ticked == 0 ? Tick.Off : Ticked == Checkable ? Tick.On : Tick.Mixed;

            /// <summary>The most important status of its leaves; empty if none has any.</summary>
            public string Outcome => Array.Find(Importance, Outcomes.Contains) ?? "";
        }

        public List<Row> Roots { get; } = new List<Row>();

        public bool IsCheckable => leaves.Count > 0;

        /// <summary>The sum of all ticks.</summary>
        public Tick All
        {
            get
            {
                var ticked = 0;
                foreach (var each in leaves) ticked += each.Ticked;
                return ticked == 0 ? Tick.Off : ticked == leaves.Count ? Tick.On : Tick.Mixed;
            }
        }

        /// <summary>How many textures have at least one tick.</summary>
        public int Count => textures.Count;

        /// <summary>Returns the rows in sight, from the top.</summary>
        public List<Row> Visible()
        {
            var visible = new List<Row>();
            foreach (var each in Roots) AddVisible(each, visible);
            return visible;
        }

        /// <summary>Ticks the row, or unticks it if all of it is ticked.</summary>
        public void Toggle(Row row) => SetTicked(row, row.Tick != Tick.On);

        /// <summary>Ticks everything, or unticks it if all is ticked.</summary>
        public void ToggleAll()
        {
            var isOn = All != Tick.On;
            foreach (var each in leaves) SetTicked(each, isOn);
        }

        /// <summary>Returns the rows in the same place as this one, it among them.</summary>
        public List<Row> Siblings(Row row) => row.Parent == null ? Roots : row.Parent.Children;

        /// <summary>Returns the row of this id; null if there is none.</summary>
        public Row Find(string id) => rows.TryGetValue(id, out var found) ? found : null;

        /// <summary>Returns the ids of the ticked leaves.</summary>
        public List<string> Checked()
        {
            var found = new List<string>();
            foreach (var each in leaves)
                if (each.Ticked > 0) found.Add(each.Item.Id);
            return found;
        }

        /// <summary>Ticks these leaves and no others.</summary>
        public void SetChecked(ICollection<string> ids)
        {
            foreach (var each in leaves) SetTicked(each, ids.Contains(each.Item.Id));
        }

        /// <summary>Takes over what was open in the popup whose place this one takes.</summary>
        public void TakeOver(ItemModel earlier)
        {
            foreach (var pair in rows)
                if (earlier.rows.TryGetValue(pair.Key, out var before)) pair.Value.IsOpen = before.IsOpen;
        }

        private static void AddVisible(Row row, List<Row> visible)
        {
            visible.Add(row);
            if (!row.IsOpen) return;
            foreach (var each in row.Children) AddVisible(each, visible);
        }

        private Row Read(PopupItem item, Row parent, string texture, int depth)
        {
            var row = new Row { Item = item, Parent = parent, Depth = depth, Texture = item.Path ?? texture };
            rows[item.Id] = row;
            foreach (var each in item.Children) row.Children.Add(Read(each, row, row.Texture, depth + 1));
            if (item.Children.Count > 0) return row;
            if (item.Status.Length > 0)
                for (var each = row; each != null; each = each.Parent) each.Outcomes.Add(item.Status);
            // Nothing is left to tick where it says what became of it.
            if (item.Locked.Length > 0 || item.Status.Length > 0) return row;
            if (row.Texture.Length == 0) row.Texture = item.Id;
            leaves.Add(row);
            for (var each = row; each != null; each = each.Parent) each.Checkable++;
            if (item.Checked) Add(row, 1);
            return row;
        }

        private void SetTicked(Row row, bool isOn)
        {
            foreach (var each in row.Children) SetTicked(each, isOn);
            if (row.Children.Count > 0 || row.Checkable == 0 || row.Ticked > 0 == isOn) return;
            Add(row, isOn ? 1 : -1);
            foreach (var each in row.Partners) SetTicked(each, isOn);
        }

        private void Add(Row leaf, int step)
        {
            for (var each = leaf; each != null; each = each.Parent) each.Ticked += step;
            textures.TryGetValue(leaf.Texture, out var count);
            if (count + step == 0) textures.Remove(leaf.Texture);
            else textures[leaf.Texture] = count + step;
        }
    }
}

using System;
using System.Collections.Generic;
using PopBridge.Connection;
using PopBridge.Protocol;
using UnityEngine;
using UnityEngine.UIElements;

namespace PopBridge.Editor
{
    /// <summary>Why a texture is judged as it is, and how its changes look: the daemon's answer, shown when it comes.</summary>
    internal sealed class Explanation
    {
        private const string Question = "texture.explain";
        private const float Gap = 4;
        private const float BarHeight = 5;
        private const float BarWidth = 48;

        private readonly string path;
        private readonly Pictures pictures;
        private Texture2D before;
        private Texture2D after;

        /// <summary>`isWhole`: with what was considered and found to be right.</summary>
        internal Explanation(string path, Pictures pictures, bool isWhole)
        {
            this.path = path;
            this.pictures = pictures;
            Why.Add(Skin.Text(Texts.Say("Working…")));
            var session = EditorBridge.Session;
            session.Ask(Question, new Dictionary<string, object> { ["path"] = path }, answer => Show(answer, isWhole));
        }

        /// <summary>The pictures before and after; empty if nothing changes its looks.</summary>
        internal VisualElement Looks { get; } = new VisualElement();

        internal VisualElement Why { get; } = new VisualElement();

        private void Show(Message answer, bool isWhole)
        {
            Why.Clear();
            if (!(answer is Result result) || !(result.Value is Dictionary<string, object> value))
            {
                if (!isWhole) return;
                var reason = (answer as ErrorMessage)?.Message
                    ?? Texts.Say("The connection was lost. Ask again when PopBridge is back.");
                Why.Add(Skin.Text(reason));
                return;
            }
            foreach (var output in result.Outputs) Load(output);
            Why.style.marginTop = Gap;
            Why.Add(Skin.Text(isWhole ? path : Texts.Say("Why?"), true));
            foreach (var line in Lines(value, "lines")) Why.Add(Skin.Rich(line));
            AddEvidence(value);
            if (!isWhole) return;
            var fine = Lines(value, "not_raised");
            if (fine.Count == 0) return;
            var rest = new Foldout { text = Texts.Say("Also checked, and not raised"), value = false };
            foreach (var line in fine) rest.Add(Skin.Rich(line));
            Why.Add(rest);
        }

        /// <summary>A bar for each piece of evidence: its length is its weight beside the heaviest one.</summary>
        private void AddEvidence(Dictionary<string, object> value)
        {
            var kind = value.TryGetValue("kind", out var judged) ? judged as string : null;
            var pieces = new List<Dictionary<string, object>>();
            var heaviest = 0.0;
            foreach (var each in List(value, "evidence"))
            {
                if (!(each is Dictionary<string, object> piece) || Weight(piece) == 0) continue;
                pieces.Add(piece);
                heaviest = Math.Max(heaviest, Math.Abs(Weight(piece)));
            }
            if (pieces.Count == 0) return;
            Why.Add(Skin.Text(Texts.Say("Evidence"), true));
            foreach (var piece in pieces)
            {
                var isFor = Weight(piece) > 0 && (!(piece["kind"] is string its) || its == kind);
                var row = new VisualElement { tooltip = isFor ? Texts.Say("Speaks for it") : Texts.Say("Speaks against it") };
                row.style.flexDirection = FlexDirection.Row;
                row.style.alignItems = Align.Center;
                var detail = Skin.Text(piece["detail"] as string ?? "");
                detail.style.flexGrow = 1;
                row.Add(detail);
                row.Add(Bar((float)(Math.Abs(Weight(piece)) / heaviest), isFor));
                Why.Add(row);
            }
        }

        private static VisualElement Bar(float share, bool isFor)
        {
            var ground = new VisualElement();
            ground.style.width = BarWidth;
            ground.style.height = BarHeight;
            ground.style.flexShrink = 0;
            ground.style.marginLeft = Gap;
            ground.style.flexDirection = isFor ? FlexDirection.Row : FlexDirection.RowReverse;
            ground.style.backgroundColor = Skin.Line;
            var bar = new VisualElement();
            bar.style.width = BarWidth * share;
            bar.style.backgroundColor = isFor ? Skin.Good : Skin.Severity("error");
            ground.Add(bar);
            return ground;
        }

        private void Load(OutputRef output)
        {
            if (output.Name != "before" && output.Name != "after") return;
            if (output.Data != null) Place(output.Name, pictures.Load(output.Data));
            else if (output.Blob != null) Fetch(output.Name, output.Blob);
        }

        private void Fetch(string name, string blob)
        {
            var found = pictures.Get(blob, () => Fetch(name, blob));
            if (found != null) Place(name, found);
        }

        private void Place(string name, Texture2D picture)
        {
            if (name == "before") before = picture;
            else after = picture;
            if (before != null && after != null && Looks.childCount == 0) Looks.Add(new Compare(before, after));
        }

        private static double Weight(Dictionary<string, object> piece) =>
            piece.TryGetValue("weight", out var weight) && weight is double found ? found
                : weight is long whole ? whole : 0;

        private static List<object> List(Dictionary<string, object> value, string key) =>
            value.TryGetValue(key, out var found) && found is List<object> list ? list : new List<object>();

        private static List<string> Lines(Dictionary<string, object> value, string key) =>
            List(value, key).ConvertAll(each => each as string ?? "");
    }
}

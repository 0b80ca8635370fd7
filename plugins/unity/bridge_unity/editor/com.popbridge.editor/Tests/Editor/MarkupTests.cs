using NUnit.Framework;

namespace PopBridge.Editor.Tests
{
    public sealed class MarkupTests
    {
        [Test]
        public void MarksBecomeRichText() =>
            Assert.AreEqual("<b>bold</b> <i>code</i> docs", Markup.Rich("**bold** `code` [docs](https://example.org)"));

        [Test]
        public void TagsInTheTextAreShownAsTheyAre() => Assert.IsFalse(Markup.Rich("a <b> c").Contains("<b>"));

        [Test]
        public void LinksAreFound() =>
            Assert.AreEqual("https://example.org", Markup.Links("[docs](https://example.org)")[0].Value);
    }
}

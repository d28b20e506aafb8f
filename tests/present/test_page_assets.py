from retrieval.present.page_assets import SCRIPT, STYLE


def test_nothing_ends_its_element_early_or_is_loaded_from_elsewhere():
    for text in (STYLE, SCRIPT):
        assert "</" not in text
        assert "url(" not in text
        assert "http" not in text


def test_braces_are_balanced():
    for text in (STYLE, SCRIPT):
        assert text.count("{") == text.count("}")

"""Sphinx's settings. `site/build.py` makes the pages and starts Sphinx; nothing is executed and nothing is fetched."""

project = "digitstudy"
author = "The digitstudy authors"
language = "en"
html_title = "digitstudy"

extensions = ["myst_nb"]
exclude_patterns = ["files"]  # copies of repository files that pages link to
nb_execution_mode = "off"
nb_merge_streams = True
nb_ipywidgets_js = {}  # myst-nb would load these from another host
nb_code_prompt_show = "Source"
nb_code_prompt_hide = "Source"
myst_enable_extensions = [
    "colon_fence",
    "strikethrough",
]  # no dollarmath: no page has mathematics, and MathJax comes from another host
myst_heading_anchors = 4
suppress_warnings = ["myst.strikethrough"]  # only says that strikethrough works in HTML alone

html_theme = "sphinx_book_theme"
html_static_path = ["static"]
html_css_files = ["style.css"]
html_logo = html_favicon = "static/logo.svg"
html_copy_source = False
html_show_sourcelink = False
html_show_copyright = False
html_last_updated_fmt = None
html_context = {"default_mode": "auto"}  # light or dark as the reader's system is; without it the theme complains
html_theme_options = {
    "logo": {"text": "digitstudy", "alt_text": "digitstudy: to the front page"},
    "home_page_in_toc": True,
    "show_navbar_depth": 1,
    "show_toc_level": 2,
    "footer_content_items": "",
    "toc_title": "On this page",
    "use_download_button": False,  # every page links its notebook itself
    "use_fullscreen_button": False,
    "pygments_light_style": "github-light",
    "pygments_dark_style": "github-dark",
}
nb_render_markdown_format = "myst"  # tables in what cells put out

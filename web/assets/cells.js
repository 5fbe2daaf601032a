// Cells of tables that are more than text. React makes text of what it is given, whatever strangers wrote.
var dagcomponentfuncs = (window.dashAgGridComponentFunctions = window.dashAgGridComponentFunctions || {});

// A link to the page of what the row is about; `path` names the column that has it.
dagcomponentfuncs.PageLink = function (props) {
    var href = props.data && props.data[props.path];
    var text = props.valueFormatted || props.value;
    if (!href) {
        return React.createElement("span", {}, text);
    }
    return React.createElement(window.dash_core_components.Link, { href: href, className: "cell-link" }, text);
};

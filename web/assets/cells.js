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

// A cell of a table as it is downloaded: text that a spreadsheet could take for a formula has an apostrophe before it,
// as in the reports of the API (`web/api/reports.py`, harmless); a number is as the table shows it.
var dagfuncs = (window.dashAgGridFunctions = window.dashAgGridFunctions || {});
var FORMULA = /^'*[=+\-@\t\r\n\uff1d\uff0b\uff0d\uff20]/;

dagfuncs.csvCell = function (params) {
    if (typeof params.value === "string") {
        return FORMULA.test(params.value) ? "'" + params.value : params.value;
    }
    return params.formatValue(params.value);
};

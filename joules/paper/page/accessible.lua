-- A wide table scrolls by itself, by keyboard too.
function Table(float)
  local name = pandoc.utils.stringify(float.caption.long):match("^Table %w+") or "Table"
  -- As a list, whose order stays.
  local region = { { "tabindex", "0" }, { "role", "region" }, { "aria-label", name } }
  return pandoc.Div({ float }, pandoc.Attr("", { "wide" }, region))
end

-- The text of a picture for who cannot see it still has LaTeX's escapes.
function Image(image)
  local words = pandoc.utils.stringify(image.caption):gsub("\\(%p)", "%1")
  image.caption = words
  return image
end

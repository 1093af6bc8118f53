// Before the first paint: the theme that was chosen here, if any. The page itself decides nothing.
try {
  const theme = localStorage.getItem('foodtrack-dashboard-theme');
  if (theme === 'light' || theme === 'dark') document.documentElement.dataset.theme = theme;
} catch {
  // Storage is forbidden here: the system's theme it is.
}

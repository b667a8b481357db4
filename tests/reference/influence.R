# Makes influence.json: lme4's influence() of every group, with theta estimated anew, at tight optima.
# Run in a folder that holds sleepstudy.csv and penicillin.csv of load_dataset():  Rscript influence.R > influence.json
suppressMessages({library(lme4); library(jsonlite)})
# influence() passes no tolerances on: without these its refits stop at the fourth digit.
settings <- environment(nloptwrap)
settings$defaultControl$xtol_abs <- 1e-12
settings$defaultControl$ftol_abs <- 1e-13
settings$defaultControl$xtol_rel <- 1e-13
settings$defaultControl$ftol_rel <- 1e-15
cases <- list(list("sleepstudy", "Reaction ~ Days + (Days | Subject)", "Subject"),
              list("penicillin", "diameter ~ 1 + (1 | plate) + (1 | sample)", "plate"),
              list("penicillin", "diameter ~ 1 + (1 | plate) + (1 | sample)", "sample"))
found <- lapply(cases, function(case) {
  data <- read.csv(paste0(case[[1]], ".csv"), stringsAsFactors = TRUE)
  data[[case[[3]]]] <- factor(data[[case[[3]]]])
  fit <- lmer(as.formula(case[[2]]), data, control = lmerControl(calc.derivs = FALSE))
  each <- influence(fit, groups = case[[3]], data = data)
  p <- length(fixef(fit))
  C <- as.matrix(vcov(fit))
  without <- each[[paste0("vcov[-", case[[3]], "]")]]
  # dfbetas() itself fails with one coefficient.
  errors <- matrix(sapply(without, function(V) sqrt(diag(V))), ncol = p, byrow = TRUE)
  list(data = case[[1]], formula = case[[2]], level = case[[3]], groups = as.character(each$deleted),
       dfbeta = unname(dfbeta(each)), dfbetas = unname(dfbeta(each)) / errors, cooks_distance = unname(cooks.distance(each)),
       covratio = unname(sapply(without, function(V) det(V) / det(C))),
       covtrace = unname(sapply(without, function(V) abs(sum(diag(solve(C, V))) - p))),
       variances = unname(dfbeta(each, "var.cov")))
})
program <- paste("lme4", packageVersion("lme4"), "under", R.version.string)
cat(toJSON(list(program = program, cases = found), auto_unbox = TRUE, digits = 12, pretty = 1), "\n")
